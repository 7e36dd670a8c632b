"""The errors with which UFM refuses a request.

RefusedError
├── BadRequestError    400
├── UnauthorizedError  401
├── ForbiddenError     403
└── NotFoundError      404
"""


class RefusedError(Exception):
    """UFM refused a request. The text is the body of the answer; the real UFM does not document its texts."""

    status = 500


class BadRequestError(RefusedError):
    """A field of the request is missing or invalid."""

    status = 400


class UnauthorizedError(RefusedError):
    """The credentials are missing or wrong."""

    status = 401

    def __str__(self) -> str:
        """Return the text that UFM's SLURM plugin looks for, and the reason."""
        return f"Error 401: {super().__str__()}"


class ForbiddenError(RefusedError):
    """The caller's role does not allow the request, or UFM manages the object itself."""

    status = 403


class NotFoundError(RefusedError):
    """The object does not exist."""

    status = 404
