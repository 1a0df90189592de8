"""The customer stage: may this person be disturbed now? Its decision is the final one."""
