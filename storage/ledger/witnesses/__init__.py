"""C2SP witnesses, from both sides: asking them, and being one."""
