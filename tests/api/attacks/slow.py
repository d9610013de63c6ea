"""Callers who never finish what they begin: heads and bodies that come a byte a second."""

import select
import threading
import time
from contextlib import contextmanager

from attacks.wire import head, parsed

# A head or a body has 29 seconds; what is above is the slowness of a machine that is busy.
ENDED_S = 29 + 10
# What a sale may take while all of them are open.
SALE_S = 15
SALES = 5
PAUSE_S = 1


@contextmanager
def connections(arena, routes: list):
    """A slow head and a slow body for each route, open while others are served; they end by themselves, and soon."""
    drips = [Drip(arena, route, has_head) for route in routes for has_head in (False, True)]
    ended = threading.Thread(target=drip, args=(drips,), daemon=True)
    ended.start()
    slowest = max(timed_sale(arena) for _ in range(SALES))
    if slowest > SALE_S:
        arena.judge.fault(
            "postCheckout", "slow", "unexpected", f"a sale took {slowest:.1f} s beside {len(drips)} slow callers"
        )
    yield
    ended.join()
    for one in drips:
        one.tell(arena.judge)
    print(
        f"hostile: beside {len(drips)} slow callers the slowest of {SALES} sales took {slowest * 1000:.0f} ms; "
        f"the last of them was gone after {max(one.took_s for one in drips):.0f} s"
    )


def timed_sale(arena) -> float:
    began = time.monotonic()
    arena.acme.sell("100004", "COFFEE")
    return time.monotonic() - began


class Drip:
    """One slow caller."""

    def __init__(self, arena, route, has_head: bool):
        self.route, self.took_s, self.got = route, None, b""
        whole = head(arena.request(route), "Content-Length: 60000")
        self.first, self.next = (whole, b" ") if has_head else (whole[: len(whole) // 2], b"a")
        self.connection = arena.acme.wire.open()
        self.began = time.monotonic()
        self.connection.sendall(self.first)
        self.connection.setblocking(False)

    def turn(self):
        """Reads what there is and sends a byte; notes the end."""
        try:
            while select.select([self.connection], [], [], 0)[0]:
                more = self.connection.recv(1 << 16)
                self.got += more
                if not more:
                    raise OSError
            self.connection.send(self.next)
        except OSError:
            self.took_s = time.monotonic() - self.began
            self.connection.close()

    def tell(self, judge):
        is_public = not self.route.roles
        allowed = lambda answer: answer.status in ({0, 400, 408} | ({200} if is_public else set()))
        if self.took_s is None:
            self.took_s = float("inf")
            judge.fault(
                self.route.name, "slow", "unexpected", f"a caller who sent {self.first[:40]!r} and dripped is there yet"
            )
        judge.see(self.route.name, "slow", parsed(self.got), allowed, "acme", self.first)


def drip(drips: list):
    ends_at = time.monotonic() + ENDED_S
    while time.monotonic() < ends_at and any(one.took_s is None for one in drips):
        for one in drips:
            if one.took_s is None:
                one.turn()
        time.sleep(PAUSE_S)
