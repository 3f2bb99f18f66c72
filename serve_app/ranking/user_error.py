"""What went wrong in words that whoever started the program can act on."""


class UserError(Exception):
    """A mistake that the user can mend. The message is one line and says where and what; no traceback is shown."""
