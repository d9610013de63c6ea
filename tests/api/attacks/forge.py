"""Tokens that nobody should be let in by, and signatures of presigned URLs."""

import base64
import hashlib
import hmac
import json
import random
import time

# Of PKCS #1: that what follows is a SHA-256.
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
KEY_BITS = 2048


def encode(part) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class RsaKey:
    """A forger's own key, the same in each run."""

    def __init__(self, seed: int):
        draw = random.Random(seed)
        self.e = 65537
        p, q = prime(draw, KEY_BITS // 2), prime(draw, KEY_BITS // 2)
        self.n, self.d = p * q, pow(self.e, -1, (p - 1) * (q - 1))

    def jwk(self, kid: str) -> dict:
        number = lambda value: encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        return {"kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "n": number(self.n), "e": number(self.e)}

    def sign(self, header: dict, claims: dict) -> str:
        signed = f"{encode(header)}.{encode(claims)}"
        digest = SHA256_PREFIX + hashlib.sha256(signed.encode()).digest()
        padded = b"\x00\x01" + b"\xff" * (KEY_BITS // 8 - len(digest) - 3) + b"\x00" + digest
        signature = pow(int.from_bytes(padded, "big"), self.d, self.n)
        return f"{signed}.{encode(signature.to_bytes(KEY_BITS // 8, 'big'))}"


def prime(draw: random.Random, bits: int) -> int:
    while True:
        candidate = draw.getrandbits(bits) | 1 | 3 << bits - 2
        if all(candidate % small for small in (3, 5, 7, 11, 13, 17, 19, 23)) and pow(2, candidate - 1, candidate) == 1:
            return candidate


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def public_pem(jwk: dict) -> bytes:
    """The pool's public key as a file, which is what a confused verifier takes for a secret."""
    number = lambda text: der(2, b"\x00" + decode(text) if decode(text)[0] & 0x80 else decode(text))
    inner = der(0x30, number(jwk["n"]) + number(jwk["e"]))
    algorithm = der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    whole = base64.encodebytes(der(0x30, algorithm + der(3, b"\x00" + inner))).replace(b"\n", b"")
    lines = b"\n".join(whole[at : at + 64] for at in range(0, len(whole), 64))
    return b"-----BEGIN PUBLIC KEY-----\n" + lines + b"\n-----END PUBLIC KEY-----\n"


def hs256(header: dict, claims: dict, secret: bytes) -> str:
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def forgeries(token: str, access: str, foreign: str, jwk: dict, own: RsaKey) -> dict:
    """What each column of tokens sends, made from a genuine one."""
    head, body, signature = token.split(".")
    header, claims = json.loads(decode(head)), json.loads(decode(body))
    rewritten = encode(claims | {"custom:tenant_id": "globex"})
    raised = encode(claims | {"cognito:username": "acme-admin"})
    altered = encode(bytes([decode(signature)[0] ^ 1]) + decode(signature)[1:])
    other = lambda **changes: own.sign(header, claims | changes)
    pool = claims["iss"].rsplit("/", 1)[-1]
    return {
        "none": [None],
        "garbage": ["", "token", "a.b.c", "..", token[:-20], token + "A", "é", " " + token.split(".")[0], "A" * 9000],
        "alg none": [
            f"{encode(header | {'alg': name})}.{part}.{tail}"
            for name in ("none", "None", "NONE")
            for part, tail in ((body, ""), (body, signature), (rewritten, ""))
        ],
        "key confusion": [
            hs256(header | {"alg": "HS256"}, claims, secret)
            for secret in (
                public_pem(jwk),
                public_pem(jwk).strip(),
                decode(jwk["n"]),
                jwk["n"].encode(),
                b"",
                json.dumps(jwk).encode(),
            )
        ]
        + [f"{encode(header | {'alg': 'HS256'})}.{body}.{signature}"],
        "signature": [
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{head}.{body}.{altered}",
            f"{head}.{body}.{encode(bytes(256))}",
            f"{head}.{body}.{foreign.split('.')[2]}",
        ],
        "other claims": [
            f"{head}.{rewritten}.{signature}",
            f"{head}.{raised}.{signature}",
            f"{head}.{foreign.split('.')[1]}.{signature}",
        ],
        "expired": [
            f"{head}.{encode(claims | {'exp': int(time.time()) - 1})}.{signature}",
            other(exp=int(time.time()) - 3600),
        ],
        "foreign pool": [
            other(),
            other(iss=claims["iss"].replace(pool, "eu-west-1_Elsewhere")),
            other(aud="another-app"),
            other(iss="https://evil.invalid"),
        ],
        "access token": [access],
        "kid elsewhere": [
            own.sign(header | {"kid": kid}, claims)
            for kid in ("elsewhere", "../../../dev/null", "' OR '1'='1", "http://evil.invalid/jwks", "", "\x00")
        ]
        + [own.sign({name: value for name, value in header.items() if name != "kid"}, claims)],
        "jku or jwk": [
            own.sign(header | more, claims)
            for more in (
                {"jku": "https://evil.invalid/jwks.json"},
                {"jwk": own.jwk(header["kid"])},
                {"x5u": "https://evil.invalid/x.pem"},
                {"kid": "own", "jwk": own.jwk("own")},
                {"crit": ["jwk"]},
            )
        ],
    }
