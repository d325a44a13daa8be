"""What an operator has to put right before the server or a command can run."""


class NotConfigured(ValueError):
    """An address that is needed is not set, and nothing embedded stands in for it."""


class PortTaken(Exception):
    """Something else listens where the server should."""


class ServiceDied(Exception):
    """A service that this process runs has ended by itself."""


class UnsafeRole(Exception):
    """The role the server would act as can see or change more than one organization's rows."""
