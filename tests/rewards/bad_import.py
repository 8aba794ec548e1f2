"""A reward module whose import fails."""

raise LookupError("half way")
