"""What a user can put right, told apart from what they cannot."""


class UserError(Exception):
    """A mistake in what was asked. The message says what was wrong, with which file or key, and the fix."""


class CredentialsError(UserError):
    """A storage that cannot be entered: no shard of it can be read, so the run ends, and resumes later."""


class RunError(Exception):
    """The run itself broke (a worker died permanently, a disk is full). What was written stays; starting
    again resumes.
    """
