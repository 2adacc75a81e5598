"""The audit of a whole log from its files. Pure, but for `audit`, which reads the folder with all processors."""
