"""The real templates and packages, put into the emulated cloud as `make deploy` and `make tenant` put
them onto AWS: by the SAM CLI, through CloudFormation change sets.

Some things are done for the emulator, in nested templates where they were uploaded. It translates SAM and
resolves secrets only in what it is handed itself; it asks for a grant of a batch by its own name; it
reads the gateway's own responses from resources only; and it takes a FIFO topic for one of another kind. And for
the suite, webhooks may call this machine.
"""

import base64
import json
import logging
import re
import secrets
import subprocess
import time
import uuid
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cloud import ACCOUNT_ID, REGION
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# It remarks on features of its own.
logging.getLogger("samtranslator").setLevel(logging.CRITICAL)

S3_URL = "https://s3.amazonaws.com"
DEPLOY_S = 300
BATCH_OF = {
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sns:PublishBatch": "sns:Publish",
}
# Thirty receives, handed back at once each time, unless a call of the emulator took too long: then after a queue's own timeout.
POISON_S = 1200
# Purposes of a tenant's queues, and the workers behind them.
PURPOSES = {
    "checkouts": "post-checkouts",
    "admin": "administer",
    "replenishment": "replenish",
    "imports": "import-files",
    "results": "announce",
    "deliveries": "deliver",
    "reconciliation": "reconcile",
}
# A kind of command that goes each way.
KINDS = {
    "checkouts": "post_checkout",
    "admin": "administer",
    "replenishment": "replenish",
    "imports": "import_file",
    "deliveries": "deliver",
    "reconciliation": "reconcile",
}
NOTHING_TO_DO = {
    "intake": {
        "resource": "/v1/health",
        "path": "/v1/health",
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "requestContext": {"path": "/v1/health", "httpMethod": "GET", "resourcePath": "/v1/health"},
        "isBase64Encoded": False,
    },
    "listen": {"requestContext": {"routeKey": "$default", "connectedAt": 0, "requestTimeEpoch": 0}},
} | {worker: {"Records": []} for worker in PURPOSES.values()}


class DeployError(Exception):
    pass


class Stacks:
    def __init__(self, cloud, sam: Path, infra: Path):
        self.cloud, self.sam, self.infra = cloud, sam, infra
        session = boto3.Session("test", "test", region_name=cloud.environment()["AWS_REGION"])
        self.client = lambda service: session.client(service, endpoint_url=cloud.endpoint_url)

    def deploy(self, template: str, stack: str, parameters: dict[str, str]) -> None:
        """Packages and deploys a template; raises with CloudFormation's own reason."""
        packaged = self.infra / f"packaged-{stack}.yaml"
        self._sam(
            ["package", "--template-file", self.infra / template, "--output-template-file", packaged, "--resolve-s3"]
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
        if "Tenant" in parameters:
            # It reads from a template no more than the name of a FIFO topic, and would lose the groups of a batch.
            for name in ("commands", "results"):
                topic = self._topic(parameters["Stage"], parameters["Tenant"], name)
                self.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="FifoTopic", AttributeValue="true")
        status = self.describe(stack)["StackStatus"]
        if not status.endswith("_COMPLETE") or "ROLLBACK" in status:
            raise DeployError(f"{stack} is {status}")

    def describe(self, stack: str) -> dict:
        return self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]

    def outputs(self, stack: str) -> dict[str, str]:
        return {output["OutputKey"]: output["OutputValue"] for output in self.describe(stack).get("Outputs", [])}

    def functions_start(self, stage: str) -> None:
        """Calls every function once with nothing to do; raises with the words of one that does not start."""
        functions = self.client("lambda")
        for function, payload in NOTHING_TO_DO.items():
            answer = functions.invoke(
                FunctionName=f"pos-{stage}-{function}:live", Payload=json.dumps(payload), LogType="Tail"
            )
            told = answer["Payload"].read().decode()
            if "FunctionError" in answer:
                log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
                raise DeployError(f"{function} does not start: {told}\n{log}")

    def isolated(self, stage: str, tenants: list[str]) -> list[str]:
        """What leads from one tenant's topic or queue to anything that is not its own."""
        wrong = []
        for tenant in tenants:
            own = f":pos-{stage}-{tenant}-"
            for topic, purposes in {"commands": len(KINDS), "results": len(PURPOSES) - len(KINDS)}.items():
                arn = self._topic(stage, tenant, topic)
                subscriptions = self.client("sns").list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
                ends = [subscription["Endpoint"] for subscription in subscriptions]
                if len(ends) != purposes or not all(own in end for end in ends):
                    wrong.append(f"{arn} leads to {ends}")
            for purpose, worker in PURPOSES.items():
                queue = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:pos-{stage}-{tenant}-{purpose}.fifo"
                mappings = self.client("lambda").list_event_source_mappings(EventSourceArn=queue)
                fed = [mapping["FunctionArn"] for mapping in mappings["EventSourceMappings"]]
                if len(fed) != 1 or not fed[0].endswith(f":pos-{stage}-{worker}:live"):
                    wrong.append(f"{queue} feeds {fed}")
        return wrong

    def poison(self, stage: str, tenant: str) -> None:
        """Sends what nobody can read through every queue of a tenant, and waits until each has given it up.

        But deliveries, of which it takes a thousand receives.
        """
        poisoned = [purpose for purpose in PURPOSES if purpose != "deliveries"]
        for purpose in poisoned:
            kind = KINDS.get(purpose)
            self.client("sns").publish(
                TopicArn=self._topic(stage, tenant, "commands" if kind else "results"),
                Message="poison",
                MessageGroupId=f"T#{tenant}#PROBE",
                MessageDeduplicationId=f"poison for {purpose}",
                MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}} if kind else {},
            )
        deadline = time.monotonic() + POISON_S
        while time.monotonic() < deadline:
            left = [purpose for purpose in poisoned if self._depth(f"pos-{stage}-{tenant}-{purpose}-dlq.fifo") != 1]
            if not left:
                return
            time.sleep(1)
        raise DeployError(f"poison did not become a dead letter of {', '.join(left)} in {POISON_S} s")

    def fire(self, schedule: str, scheduled: str) -> None:
        """Carries out what a schedule asks for, in its role, which is lent to us: here no schedule fires by itself."""
        target = self.client("scheduler").get_schedule(Name=schedule)["Target"]
        lent = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ID}, "Action": "sts:AssumeRole"}
        self.client("iam").update_assume_role_policy(
            RoleName=target["RoleArn"].rsplit("/", 1)[-1],
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [lent]}),
        )
        role = self.client("sts").assume_role(RoleArn=target["RoleArn"], RoleSessionName="tick")["Credentials"]
        *_, service, action = target["Arn"].split(":")
        client = boto3.client(
            service,
            endpoint_url=self.cloud.endpoint_url,
            region_name=REGION,
            aws_access_key_id=role["AccessKeyId"],
            aws_secret_access_key=role["SecretAccessKey"],
            aws_session_token=role["SessionToken"],
        )
        getattr(client, action)(**json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", scheduled)))

    def leave_undelivered(self, stage: str, tenant: str, purpose: str) -> None:
        """Puts a probe, or an event, where the topic would, had it not reached the queue."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=f"pos-{stage}-{tenant}-{purpose}-undelivered.fifo")["QueueUrl"]
        if purpose in KINDS:
            message = {"v": 1, "kind": "probe", "tenant": tenant, "of": KINDS[purpose], "id": str(uuid.uuid4())}
            group = f"T#{tenant}#PROBE"
        else:
            message = an_event(tenant)
            group = f"T#{tenant}#EVENTS"
        sqs.send_message(
            QueueUrl=url,
            MessageBody=json.dumps(message),
            MessageGroupId=group,
            MessageDeduplicationId=message["id"],
        )

    def _topic(self, stage: str, tenant: str, topic: str) -> str:
        return f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:pos-{stage}-{tenant}-{topic}.fifo"

    def _depth(self, queue: str) -> int:
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        name = "ApproximateNumberOfMessages"
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    def last_words(self) -> str:
        """The end of what each function logged, and of what the cloud complained about."""
        logs = self.client("logs")
        words = []
        try:
            for group in logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/pos-")["logGroups"]:
                events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
                words += [f"{group['logGroupName']}: {event['message'].rstrip()}" for event in events[-5:]]
        except (BotoCoreError, ClientError) as error:
            words.append(f"no logs: {error}")
        complaints = [line for line in self.cloud.log_path.read_text(errors="replace").splitlines() if " ERROR " in line]
        return "\n".join(words + complaints[-10:])

    def _sam(self, arguments: list) -> None:
        command = [str(argument) for argument in [self.sam, *arguments]]
        done = subprocess.run(
            command,
            env=self.cloud.environment(),
            cwd=self.infra,
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
                stand_in_for_secrets(nested)
                reach_loopback(nested)
                grant_batches(nested)
                take_out_gateway_responses(nested)
                s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(nested).encode())
            self._translate(nested, parameters)


def an_event(tenant: str) -> dict:
    """Something that happened and is nobody's news."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"/v1/tenants/{tenant}",
        "type": "internal-pos.change.applied.v1",
        "subject": "receipts/none",
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "tenantid": tenant,
        "data": {},
    }


SECRETS: dict[str, str] = {}


def stand_in_for_secrets(template: dict) -> None:
    """Puts a random key where functions' environments refer to a secret, the same for the same variable."""
    for resource in template["Resources"].values():
        variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        for name, value in variables.items():
            if "{{resolve:secretsmanager:" in str(value):
                variables[name] = SECRETS.setdefault(name, secrets.token_hex(32))


def reach_loopback(template: dict) -> None:
    """Lets webhooks call this machine, where the suite's receiver is."""
    for resource in template["Resources"].values():
        variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        if "WEBHOOK_KEY" in variables:
            variables["WEBHOOK_REACH"] = "loopback"


def grant_batches(template: dict) -> None:
    """Names batches beside what they are batches of; on AWS the one grants the other."""
    for resource in template["Resources"].values():
        for policy in resource.get("Properties", {}).get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                granted = listed(statement["Action"])
                statement["Action"] = granted + [batch for batch, one in BATCH_OF.items() if one in granted]


def listed(value) -> list:
    """A policy's word for one thing is the thing itself."""
    return value if isinstance(value, list) else [value]


def take_out_gateway_responses(template: dict) -> None:
    """Makes resources of the responses that an API's body describes, before the API is deployed."""
    resources = template["Resources"]
    made = {}
    for name, api in resources.items():
        body = api.get("Properties", {}).get("Body", {})
        for kind, response in body.pop("x-amazon-apigateway-gateway-responses", {}).items():
            properties = {key[0].upper() + key[1:]: value for key, value in response.items()}
            properties |= {"RestApiId": {"Ref": name}, "ResponseType": kind}
            made[kind.title().replace("_", "")] = {
                "Type": "AWS::ApiGateway::GatewayResponse",
                "Properties": properties,
            }
    for deployment in resources.values():
        if deployment["Type"] == "AWS::ApiGateway::Deployment":
            deployment["DependsOn"] = list(made)
    resources |= made
