"""The account's side of the core: its state, grade, ceilings, brake, pace and admission."""
