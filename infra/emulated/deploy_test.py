"""`make deploy-test`: deploys the real templates and packages onto an emulated AWS, and proves them there.

One stage and two tenants are created through CloudFormation, filled with the demo, and handed to the
black-box suite, which founds a third through the API; an operator opens a fourth. Then every call that the functions made is held against what their roles grant.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

import permissions
from cloud import REGION, Cloud
from office import Office
from proxy import ApiGateway, Recorder
from stacks import PURPOSES, DeployError, Stacks

STAGE = "test"
TENANTS = ["acme", "globex"]
# Whose queues wait for whoever founds it through the API, and one that an operator opens.
PLACE, NEWCOMER = "initech", "hooli"
SUITE_S = 900
ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sam", type=Path, required=True, help="the SAM CLI")
    parser.add_argument("--architecture", required=True, help="what the packages were built for")
    parser.add_argument("--break", dest="defect", choices=DEFECTS, help="breaks a copy first, to see it fail")
    arguments = parser.parse_args()
    # SAM's translator asks for one.
    os.environ["AWS_DEFAULT_REGION"] = REGION
    # Whoever ends this ends the cloud with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if failed := attempt(arguments, arguments.defect):
        print(f"\ndeploy-test failed: {failed}", file=sys.stderr)
        return 1
    # What is found in a good deployment is worth what is found in a bad one.
    for defect, (_, reason) in DEFECTS.items():
        failed = attempt(arguments, defect)
        if reason not in failed:
            print(f"\ndeploy-test failed: with a broken {defect} it says {failed or 'nothing'}", file=sys.stderr)
            return 1
        print(f"with a broken {defect} it fails: {reason}")
    return 0


def attempt(arguments: argparse.Namespace, defect: str | None) -> str:
    """Deploys and proves once; what went wrong, if something did, and what was said last."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pos-cloud-")))
        cloud = stack.enter_context(Cloud(directory))
        stacks = Stacks(cloud, arguments.sam, copy(directory))
        if defect:
            DEFECTS[defect][0](stacks.infra)
        try:
            return "\n".join(prove(stack, cloud, stacks, arguments.architecture))
        except Exception as error:  # whatever it is, what the cloud said last says more
            return f"{error}\n\n{stacks.last_words()}"


def copy(directory: Path) -> Path:
    """Templates and packages as they are now, where the SAM CLI may leave what it likes."""
    shutil.copytree(ROOT / ".package", directory / ".package", ignore=shutil.ignore_patterns("bootstrap"))
    return Path(shutil.copytree(ROOT / "infra", directory / "infra", ignore=shutil.ignore_patterns("*.rs", "*.py")))


def prove(stack: ExitStack, cloud: Cloud, stacks: Stacks, architecture: str) -> list[str]:
    name = f"pos-{STAGE}"
    recorder = stack.enter_context(Recorder(cloud.endpoint_url, f"{name}-intake"))
    api_url, endpoints = deploy(stack, cloud, stacks, architecture, recorder.url)
    stacks.deploy("tenant.yaml", f"{name}-{PLACE}", {"Stage": STAGE, "Tenant": PLACE, "TlsOnly": "false"})
    stacks.poison(STAGE, TENANTS[0])
    for purpose in PURPOSES:
        stacks.leave_undelivered(STAGE, TENANTS[0], purpose)
        print(operate(cloud, ["redeliver", "--tenant", TENANTS[0], "--purpose", purpose]))
    run(
        cloud,
        ["test", "--package", "tests", "--test", "blackbox", "--", "--test-threads", "4"],
        extra={"POS_ENDPOINTS": str(endpoints)},
    )
    office = Office(api_url, stacks, STAGE, "acme")
    office.leaves_no_orphan()
    office.replenishes_by_schedule()
    office.reconciles_by_schedule()
    office.takes_what_is_dropped()
    open_and_close(cloud, stacks)
    failures = stacks.isolated(STAGE, TENANTS) + permissions.differences(stacks, STAGE, recorder.seen)
    print(f"\nNot proven here: {'x86_64' if architecture == 'arm64' else 'arm64'}; {LEFT_OUT}")
    return failures


def deploy(stack: ExitStack, cloud: Cloud, stacks: Stacks, architecture: str, url: str) -> tuple[str, Path]:
    """A stage whose functions reach AWS under `url`, and the demo's companies in it: the API, and a file of all endpoints."""
    name = f"pos-{STAGE}"
    parameters = {"Stage": STAGE, "Release": "0123456789", "Architecture": architecture, "AwsEndpointUrl": url}
    stacks.deploy("template.yaml", name, parameters | {"Canary": "false", "Protection": "false"})
    print(f"{name} is there")
    stacks.functions_start(STAGE)
    api_url = stack.enter_context(ApiGateway(stacks.outputs(name)["ApiUrl"], cloud.endpoint_url)).api_url
    endpoints = cloud.directory / "endpoints.json"
    for tenant in TENANTS:
        stacks.deploy("tenant.yaml", f"{name}-{tenant}", {"Stage": STAGE, "Tenant": tenant, "TlsOnly": "false"})
        print(f"{name}-{tenant} is there")
        print(operate(cloud, ["demo", "--tenant", tenant, "--api-url", api_url, "--endpoints", str(endpoints)]))
    return api_url, endpoints


LEFT_OUT = """that the schedules fire by themselves (each is read, and carried out as its role); canary deployments (CodeDeploy is not emulated: Canary=false); that nested templates are
translated and their secrets resolved (done beforehand here); TLS (TlsOnly=false), throttling, alarms."""


def open_and_close(cloud: Cloud, stacks: Stacks) -> None:
    """A tenant from nothing, as `make tenant` opens it; again, closed, and again."""
    stacks.deploy("tenant.yaml", f"pos-{STAGE}-{NEWCOMER}", {"Stage": STAGE, "Tenant": NEWCOMER, "TlsOnly": "false"})
    admin = f"{NEWCOMER}.admin"
    tenant = ["tenant", "--id", NEWCOMER, "--name", "Hooli", "--currency", "USD", "--admin", admin]
    tenant += ["--zone", "America/Chicago", "--closing-hour", "3"]
    said = operate(cloud, tenant)
    if "with the password " not in said:
        raise DeployError(f"no password for a new administrator: {said}")
    client_id = stacks.outputs(f"pos-{STAGE}")["UserPoolClientId"]
    signed_in = stacks.client("cognito-idp").initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": admin, "PASSWORD": said.rsplit(" ", 1)[-1]},
    )
    if "IdToken" not in signed_in["AuthenticationResult"]:
        raise DeployError(f"the administrator cannot sign in: {signed_in}")
    for arguments, expected in ((tenant, "as before"), (["close", "--id", NEWCOMER], "is closed"), (tenant, "is open")):
        said = operate(cloud, arguments)
        if expected not in said:
            raise DeployError(f"operate {arguments[0]} says {said}, not {expected}")
    print(f"{NEWCOMER} opens, closes, and opens again")


def operate(cloud: Cloud, arguments: list[str]) -> str:
    return run(cloud, ["run", "--quiet", "--package", "operate", "--", "--stage", STAGE, *arguments], PIPE).strip()


def run(cloud: Cloud, arguments: list[str], stdout: int | None = None, extra: dict[str, str] | None = None) -> str:
    sys.stdout.flush()
    environment = cloud.environment() | (extra or {})
    done = subprocess.run(
        ["cargo", *arguments], cwd=ROOT, env=environment, timeout=SUITE_S, stdout=stdout, stderr=PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise DeployError(f"cargo {' '.join(arguments)} failed\n{done.stderr[-2000:]}")
    return done.stdout or ""


def break_bootstrap(infra: Path) -> None:
    with zipfile.ZipFile(infra.parent / ".package" / "administer.zip", "w") as package:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o100755 << 16
        package.writestr(entry, "#!/bin/sh\necho version GLIBC_2.99 not found >&2\nexit 1\n")


def rewrite(template: Path, before: str, after: str) -> None:
    text = template.read_text()
    assert before in text, f"{template.name} has no {before!r}"
    template.write_text(text.replace(before, after))


# What somebody may get wrong, done to a copy of the templates and packages, and the reason that must be named.
DEFECTS = {
    "bootstrap": (break_bootstrap, "administer does not start"),
    "environment": (
        lambda infra: rewrite(infra / "workers.yaml", "TABLE_NAME: !Ref TableName", "OTHER_NAME: none"),
        "environment variables missing or malformed: TABLE_NAME",
    ),
    "index": (lambda infra: rewrite(infra / "table.yaml", "IndexName: GSI1", "IndexName: GSI2"), "no index GSI1"),
}


if __name__ == "__main__":
    sys.exit(main())
