"""Holds what the roles of functions grant against the calls that the functions were seen to make.

The cloud has refused whatever was not granted; here, whatever was granted and not used is found.
"""

import json
import re
from urllib.parse import unquote

from stacks import BATCH_OF, PURPOSES, listed

# What Lambda does in a function's name, and the emulator in its own: logs, and for a mapping its queue.
BY_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents"}
BY_MAPPING = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
# Grants that no call shows: they only tell what is not there from what is forbidden.
UNSEEN = {"s3:ListBucket"}
WORKERS = set(PURPOSES.values())


def differences(stacks, stage: str, seen: dict[str, set[str]]) -> list[str]:
    """Prints a line for each function, and names every grant that is unused or too wide."""
    found = []
    pool = stacks.outputs(f"pos-{stage}")["UserPoolId"]
    for function in ["intake", "listen", *sorted(WORKERS)]:
        granted, resources = grants(stacks, f"pos-{stage}-{function}")
        expected = {BATCH_OF.get(action, action) for action in seen.get(f"pos-{stage}-{function}", set())}
        expected |= BY_LAMBDA | (BY_MAPPING if function in WORKERS else set())
        print(f"{function}: {', '.join(sorted(granted))}")
        found += [f"{function} may {action} and never did" for action in sorted(granted - expected - UNSEEN)]
        found += [f"{function} did {action}, which is not granted" for action in sorted(expected - granted)]
        found += [f"{function} may act on {resource}" for resource in resources if not is_own(resource, stage, pool)]
    return found


def is_own(resource: str, stage: str, pool: str) -> bool:
    """Whether it is something of this stage, by name, or its pool of users, by id."""
    named = rf"(table/|log-group:/aws/lambda/)?pos-{stage}(-.+)?(/index/GSI1)?"
    here = rf"arn:aws:[a-z-]+:[a-z0-9-]+:\d+:({named}|userpool/{re.escape(pool)})"
    connections = rf"arn:aws:execute-api:[a-z0-9-]+:\d+:[a-z0-9]+/{stage}/\*/@connections/\*"
    file = rf"arn:aws:s3:::pos-{stage}-[a-z0-9-]+-files(/\*/[a-z-]+/\*)?"
    return re.fullmatch(rf"{here}|{file}|{connections}", resource) is not None


def grants(stacks, function: str) -> tuple[set[str], list[str]]:
    """The actions and resources of a function's role."""
    iam = stacks.client("iam")
    role = stacks.client("lambda").get_function_configuration(FunctionName=function)["Role"].rsplit("/", 1)[-1]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    actions, resources = {f"the policy {policy['PolicyName']}" for policy in attached}, []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        document = json.loads(unquote(document)) if isinstance(document, str) else document
        for statement in document["Statement"]:
            actions |= {BATCH_OF.get(action, action) for action in listed(statement["Action"])}
            resources += listed(statement["Resource"])
    return actions, resources
