"""`make deploy-test`: deploys the real templates and packages onto an emulated AWS, and proves them there.

One stage and two tenants are created through CloudFormation, filled with the demo, and handed to the
black-box suite. Then every call that the functions made is held against what their roles grant.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import permissions
from cloud import REGION, Cloud
from proxy import ApiGateway, Recorder
from stacks import DeployError, Stacks

STAGE = "test"
TENANTS = ["acme", "globex"]
SUITE_S = 900


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sam", type=Path, required=True, help="the SAM CLI")
    parser.add_argument("--operate", type=Path, required=True, help="the operator's tool")
    parser.add_argument("--suite", type=Path, required=True, help="the black-box suite")
    arguments = parser.parse_args()
    # SAM's translator asks for one.
    os.environ["AWS_DEFAULT_REGION"] = REGION
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pos-cloud-")))
        cloud = stack.enter_context(Cloud(directory))
        stacks = Stacks(cloud, arguments.sam, directory)
        try:
            return prove(stack, cloud, stacks, arguments)
        except (DeployError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"\ndeploy-test failed: {error}\n\n{stacks.last_words()}", file=sys.stderr)
            return 1


def prove(stack: ExitStack, cloud: Cloud, stacks: Stacks, arguments: argparse.Namespace) -> int:
    name = f"pos-{STAGE}"
    recorder = stack.enter_context(Recorder(cloud.endpoint_url))
    parameters = {"Stage": STAGE, "Architecture": "x86_64", "AwsEndpointUrl": recorder.url}
    stacks.deploy("template.yaml", name, parameters | {"Canary": "false", "Protection": "false"})
    print(f"{name} is there")
    stacks.functions_start(STAGE)
    api_url = stack.enter_context(ApiGateway(stacks.outputs(name)["ApiUrl"], cloud.endpoint_url)).api_url
    endpoints = cloud.directory / "endpoints.json"
    for tenant in TENANTS:
        stacks.deploy("tenant.yaml", f"{name}-{tenant}", {"Stage": STAGE, "Tenant": tenant, "TlsOnly": "false"})
        print(f"{name}-{tenant} is there")
        run(
            cloud,
            [arguments.operate, "--stage", STAGE, "demo", "--tenant", tenant]
            + ["--api-url", api_url, "--endpoints", endpoints],
        )
    stacks.poison(STAGE, TENANTS[0])
    run(cloud, [arguments.suite, "--test-threads", "4"], {"POS_ENDPOINTS": str(endpoints)})
    failures = stacks.isolated(STAGE, TENANTS) + permissions.differences(stacks, STAGE, recorder.seen)
    for failure in failures:
        print(f"deploy-test: {failure}", file=sys.stderr)
    print(LEFT_OUT)
    print(f"deploy-test: {len(failures)} differences")
    return 1 if failures else 0


LEFT_OUT = """
Not proven here: arm64 (the packages are x86_64); canary deployments (CodeDeploy is not emulated: Canary=false);
that nested templates are translated and their secrets resolved (done beforehand here); TLS, throttling, alarms."""


def run(cloud: Cloud, command: list, extra: dict[str, str] | None = None) -> None:
    sys.stdout.flush()
    environment = cloud.environment() | (extra or {})
    subprocess.run([str(part) for part in command], env=environment, timeout=SUITE_S, check=True)


if __name__ == "__main__":
    sys.exit(main())
