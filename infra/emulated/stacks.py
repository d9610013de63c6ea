"""The real templates and packages, put into the emulated cloud as `make deploy` and `make tenant` put
them onto AWS: by the SAM CLI, through CloudFormation change sets.

One thing is done for the emulator: nested SAM templates are translated where they were uploaded, with
SAM's own translator, because it translates only what it is handed itself.
"""

import json
import re
import subprocess
from pathlib import Path

import boto3
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

INFRA = Path(__file__).resolve().parent.parent
S3_URL = "https://s3.amazonaws.com"
DEPLOY_S = 300


class DeployError(Exception):
    pass


class Stacks:
    def __init__(self, cloud, sam: Path, directory: Path):
        self.cloud, self.sam, self.directory = cloud, sam, directory
        session = boto3.Session("test", "test", region_name=cloud.environment()["AWS_REGION"])
        self.client = lambda service: session.client(service, endpoint_url=cloud.endpoint_url)

    def deploy(self, template: str, stack: str, parameters: dict[str, str]) -> None:
        """Packages and deploys a template; raises with CloudFormation's own reason."""
        packaged = self.directory / f"{stack}.yaml"
        self._sam(
            ["package", "--template-file", INFRA / template, "--output-template-file", packaged, "--resolve-s3"]
        )
        # The SAM CLI knows uploads by AWS's own host name only; the emulated cloud knows it too.
        packaged.write_text(packaged.read_text().replace(self.cloud.endpoint_url, S3_URL))
        self._translate(yaml_parse(packaged.read_text()), parameters)
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        self._sam(
            ["deploy", "--template-file", packaged, "--stack-name", stack, "--resolve-s3", "--no-progressbar"]
            + ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--no-fail-on-empty-changeset"]
            + ["--parameter-overrides", *overrides]
        )
        status = self.describe(stack)["StackStatus"]
        if not status.endswith("_COMPLETE") or "ROLLBACK" in status:
            raise DeployError(f"{stack} is {status}")

    def describe(self, stack: str) -> dict:
        return self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]

    def outputs(self, stack: str) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe(stack).get("Outputs", [])}

    def _sam(self, arguments: list) -> None:
        command = [str(argument) for argument in [self.sam, *arguments]]
        done = subprocess.run(
            command,
            env=self.cloud.environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=DEPLOY_S,
            check=False,
        )
        if done.returncode != 0:
            failed = re.findall(r".*_FAILED.*(?:\n {20,}.*)*", done.stdout)
            reason = "\n".join(failed) or done.stdout[-2000:]
            raise DeployError(f"sam {arguments[0]} failed\n{reason}\n{done.stderr[-2000:]}")

    def _translate(self, template: dict, parameters: dict[str, str]) -> None:
        s3 = self.client("s3")
        for resource in template["Resources"].values():
            url = resource.get("Properties", {}).get("TemplateURL")
            if url is None:
                continue
            bucket, key = re.fullmatch(r"https?://[^/]+/([^/]+)/(.+)", url).groups()
            nested = yaml_parse(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            if "Transform" in nested:
                nested = transform(nested, parameters, ManagedPolicyLoader(None))
                s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(nested).encode())
            self._translate(nested, parameters)
