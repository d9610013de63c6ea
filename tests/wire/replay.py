"""`make faults`: sells a file's lunches while the wire between the system and its services makes trouble, and audits.

The system is the local one, or the packages on an emulated AWS; what its functions call goes through the proxy. The replay and its
audit speak to API and services directly. Fails if the audit does, or if a fault never happened, for which one day is too short.
"""

import argparse
import itertools
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import deploy_test
from cloud import REGION, Cloud, free_port
from conform import local_system
from faults import Wire
from stacks import Stacks

OUTAGE_EVERY_S = 20
# Without which nothing is sold: whose outages are noticed.
NEEDED = ("dynamodb", "sns")


@dataclass
class System:
    endpoints: Path
    # What makes whoever audits it reach its services.
    environment: dict[str, str]
    # What goes through which proxy.
    wires: dict[str, Wire]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--microburst", type=Path, required=True, help="the proxy")
    parser.add_argument("--loadtest", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True, help="sales, as the replay takes them")
    parser.add_argument("--day", help="only the sales of this date")
    parser.add_argument("--rate", default="max", help="sales a second, or as fast as the terminals sell")
    system = parser.add_mutually_exclusive_group(required=True)
    system.add_argument("--local", type=Path, help="the local system")
    system.add_argument("--sam", type=Path, help="the SAM CLI: packages are deployed onto an emulated AWS")
    parser.add_argument("--architecture", help="what the packages were built for")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pos-wire-")))
        start = start_local if arguments.local else start_cloud
        return replay(start(stack, arguments, directory), arguments)


def start_local(stack: ExitStack, arguments: argparse.Namespace, directory: Path) -> System:
    api, aws, table = (str(free_port()) for _ in range(3))
    wires = [
        stack.enter_context(Wire(arguments.microburst, free_port(), f"http://127.0.0.1:{port}", directory))
        for port in (aws, table)
    ]
    through = ["--aws-through", wires[0].url, "--dynamodb-through", wires[1].url]
    stack.enter_context(local_system(arguments.local, str(directory), *through, ports=(api, aws, table)))
    return System(
        directory / "endpoints.json", dict(os.environ), {"sns": wires[0], "sqs": wires[0], "dynamodb": wires[1]}
    )


def start_cloud(stack: ExitStack, arguments: argparse.Namespace, directory: Path) -> System:
    # SAM's translator asks for one.
    os.environ["AWS_DEFAULT_REGION"] = REGION
    cloud = stack.enter_context(Cloud(directory))
    signer = cloud.environment()
    wire = stack.enter_context(Wire(arguments.microburst, free_port(), cloud.endpoint_url, directory, signer))
    stacks = Stacks(cloud, arguments.sam, deploy_test.copy(directory))
    _, endpoints = deploy_test.deploy(stack, cloud, stacks, arguments.architecture, wire.url)
    return System(endpoints, cloud.environment(), dict.fromkeys(("sns", "sqs", "dynamodb"), wire))


def replay(system: System, arguments: argparse.Namespace) -> int:
    for wire in set(system.wires.values()):
        wire.make_trouble([service for service, through in system.wires.items() if through is wire])
    command = [arguments.loadtest.absolute(), "replay", "--file", arguments.file, "--rate", arguments.rate]
    command += ["--day", arguments.day] if arguments.day else []
    environment = system.environment | {"POS_ENDPOINTS": str(system.endpoints)}
    sold = subprocess.Popen(command, env=environment)
    try:
        for service in itertools.cycle(NEEDED):
            try:
                status = sold.wait(OUTAGE_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                system.wires[service].put_out(service)
    finally:
        sold.kill()
        sold.wait()
    return status or tell(set(system.wires.values()), is_short=arguments.day is not None)


def tell(wires: set[Wire], is_short: bool) -> int:
    happened = {name: count for wire in wires for name, count in wire.happened().items()}
    calls, faults = sum(wire.calls() for wire in wires), sum(happened.values())
    print(f"faults: {faults} in {calls} calls on the wire")
    for (service, name), count in sorted(happened.items()):
        print(f"  {service:<9} {name:<32} {count:>6}")
    missed = [" ".join(name) for name, count in happened.items() if not count]
    if missed and not is_short:
        print(f"faults failed: of these, none happened: {', '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
