"""The customer stage: may this person be disturbed now? The last word before a message goes."""
