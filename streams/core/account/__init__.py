"""The account's side of the core: its book, its grade, its ceilings, its brake and its pace."""
