"""What commands are kept under."""

import secrets
import time
import uuid


def key() -> str:
    """A UUIDv7 of now."""
    return str(uuid.UUID(int=(time.time_ns() // 1_000_000 << 80) | (7 << 76) | (2 << 62) | secrets.randbits(62)))
