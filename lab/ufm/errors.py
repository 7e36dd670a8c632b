"""What UFM answers when it does not do what was asked.

RefusedError
├── BadRequestError    400
├── UnauthorizedError  401
├── ForbiddenError     403
└── NotFoundError      404
"""


class RefusedError(Exception):
    """The text is the answer's body. Clients must not read it: the real one's is not documented."""

    status = 500


class BadRequestError(RefusedError):
    status = 400


class UnauthorizedError(RefusedError):
    status = 401


class ForbiddenError(RefusedError):
    status = 403


class NotFoundError(RefusedError):
    status = 404
