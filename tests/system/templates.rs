//! Templates and code say the same: names, keys, routes, limits. Whatever differs would only show on AWS.

use aws::bus::{KIND_ATTRIBUTE, Names};
use aws::clock::Clock;
use aws::config::{
    self, AdministerConfig, AnnounceConfig, Config, FromVariables, IntakeConfig, ListenConfig, WebhookConfig,
};
use aws::failure::Failure;
use aws::files::Dropped;
use aws::keys;
use aws::telemetry::{Metrics, NAMESPACE};
use aws::user_pool::{FIRST_PASSWORD_LIFETIME, TENANT_ATTRIBUTE};
use axum::response::IntoResponse;
use domain::command::{Command, ImportFile, Kind, Message, OpenCutoff, OpenReconciliation, Purpose};
use domain::cutoff::Totals;
use domain::id::TenantId;
use domain::import::Target;
use domain::reconciliation::Tally;
use domain::webhook::{LANES, MAX_WEBHOOKS};
use intake::problem::Problem;
use intake::routes::{self, PUBLIC_PATHS};
use jiff::SignedDuration;
use local::{provision, pump, users};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A template as JSON, with tags in their long form (`!Ref` as `Ref`, `!Sub` as `Fn::Sub`, ...).
fn template(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    long_form(yaml_serde::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn long_form(value: yaml_serde::Value) -> Value {
    match value {
        yaml_serde::Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let name = if matches!(tag, "Ref" | "Condition") { tag.to_owned() } else { format!("Fn::{tag}") };
            json!({ name: long_form(tagged.value) })
        }
        yaml_serde::Value::Mapping(mapping) => {
            let entries =
                mapping.into_iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), long_form(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        yaml_serde::Value::Sequence(values) => Value::Array(values.into_iter().map(long_form).collect()),
        scalar => serde_json::to_value(scalar).unwrap(),
    }
}

fn properties(template: &Value, resource: &str) -> Value {
    let properties = &template["Resources"][resource]["Properties"];
    assert!(properties.is_object(), "no resource {resource}");
    properties.clone()
}

/// What Lambda itself puts into every environment.
const FROM_LAMBDA: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_LAMBDA_FUNCTION_NAME",
];
/// Read by the code, and set by tests alone: where the table has an endpoint of its own, or a receiver is on
/// the same machine.
const NOT_ON_AWS: [&str; 2] = ["AWS_ENDPOINT_URL_DYNAMODB", "WEBHOOK_REACH"];
/// Read by `lambda_http`, not by us.
const FOR_THE_RUNTIME: &str = "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH";

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

#[test]
fn functions_get_the_variables_that_they_read() {
    let asked = |read: fn(Variables<'_>)| {
        let names = RefCell::new(BTreeSet::new());
        read(&|name: &str| {
            names.borrow_mut().insert(name.to_owned());
            None
        });
        let mut names = names.into_inner();
        names.retain(|name| !FROM_LAMBDA.iter().chain(&NOT_ON_AWS).any(|other| other == name));
        names
    };
    fn fails<T: FromVariables>(variables: Variables<'_>) {
        assert!(config::from_variables::<T>(variables).is_err());
    }
    let set = |variables: &Value| -> BTreeSet<String> {
        let names = variables["Environment"]["Variables"].as_object().unwrap().keys().cloned();
        names.filter(|name| name != FOR_THE_RUNTIME).collect()
    };
    let intake = properties(&template("api.yaml"), "Function");
    assert_eq!(set(&intake), asked(|variable| fails::<(Config, IntakeConfig)>(variable)));
    let workers = &template("workers.yaml")["Globals"]["Function"];
    let any_workers = set(workers);
    assert_eq!(any_workers, asked(|variable| fails::<Config>(variable)));
    let administer = set(&properties(&template("workers.yaml"), "Administer"));
    let administers = asked(|variable| fails::<(Config, AdministerConfig)>(variable));
    assert_eq!(any_workers.union(&administer).cloned().collect::<BTreeSet<_>>(), administers);
    let deliver = set(&properties(&template("workers.yaml"), "Deliver"));
    let delivers = asked(|variable| fails::<(Config, WebhookConfig)>(variable));
    assert_eq!(any_workers.union(&deliver).cloned().collect::<BTreeSet<_>>(), delivers);
    let sockets = template("sockets.yaml");
    let any_sockets = set(&sockets["Globals"]["Function"]);
    assert_eq!(any_sockets, asked(|variable| fails::<(Config, AnnounceConfig)>(variable)));
    let listen = set(&properties(&sockets, "Listen"));
    let listens = asked(|variable| fails::<(Config, ListenConfig)>(variable));
    assert_eq!(any_sockets.union(&listen).cloned().collect::<BTreeSet<_>>(), listens);
}

#[test]
fn the_table_has_the_keys_of_the_schema() {
    let table = properties(&template("table.yaml"), "Table");
    let key = |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
    assert_eq!(table["KeySchema"], key(keys::PK, keys::SK));
    let index = json!([{
        "IndexName": keys::INDEX,
        "KeySchema": key(keys::INDEX_PK, keys::INDEX_SK),
        "Projection": { "ProjectionType": "ALL" },
    }]);
    assert_eq!(table["GlobalSecondaryIndexes"], index);
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], keys::TTL);
}

/// Every route of the router, and none besides; a token is asked for everywhere but on public paths.
#[test]
fn the_api_has_the_routes_of_the_router() {
    let api = template("api.yaml");
    let deployed: BTreeSet<_> = methods(&properties(&api, "Api")["DefinitionBody"])
        .map(|(path, name, method)| {
            let integration = &method["x-amazon-apigateway-integration"];
            let function = integration["uri"]["Fn::Sub"].as_str().unwrap();
            assert!(function.ends_with("/functions/${FunctionAliaslive}/invocations"), "{path}: {function}");
            assert_eq!(
                (&integration["type"], &integration["httpMethod"]),
                (&json!("aws_proxy"), &json!("POST"))
            );
            (path, name, method["security"] == json!([{ "NONE": [] }]))
        })
        .collect();
    // A function's policy has room for some fifty statements, and each event would be one; no emulator minds.
    assert_eq!(properties(&api, "Function")["Events"], Value::Null);
    let described = serde_json::to_value(routes::description()).unwrap();
    let routed = methods(&described).map(|(path, method, _)| (path, method));
    let description = PUBLIC_PATHS.into_iter().filter(|path| path.ends_with("openapi.json"));
    let routed = routed.chain(description.map(|path| (path.to_owned(), "get".to_owned())));
    let routed = routed.map(|(path, method)| {
        let is_public = PUBLIC_PATHS.contains(&path.as_str());
        (path, method, is_public)
    });
    assert_eq!(deployed, routed.collect());
}

/// Path and method of each operation of a description, and what it says of it.
fn methods(description: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(name, method)| (path.clone(), name.clone(), method))
    })
}

/// What the gateway answers in the API's stead reads as if the API had.
#[tokio::test]
async fn the_gateways_problems_are_those_of_the_api() {
    let problems = [
        Problem::Unauthorized,
        Problem::Forbidden,
        Problem::NotFound,
        Problem::BodyTooLarge,
        Problem::UnsupportedMediaType,
        Problem::Unavailable(Failure::transient("test", "later")),
    ];
    let mut documents = Vec::new();
    for problem in problems {
        let body = axum::body::to_bytes(problem.into_response().into_body(), usize::MAX).await.unwrap();
        documents.push(serde_json::from_slice::<Value>(&body).unwrap());
    }
    let responses = properties(&template("api.yaml"), "Api")["GatewayResponses"].clone();
    for (kind, response) in responses.as_object().unwrap() {
        let content_type = &response["ResponseParameters"]["Headers"]["Content-Type"];
        assert_eq!(content_type, "'application/problem+json'", "{kind}");
        let template = response["ResponseTemplates"]["application/json"].as_str().unwrap();
        // The one that holds a variable, and the ones that only a gateway can answer.
        if matches!(kind.as_str(), "DEFAULT_4XX" | "DEFAULT_5XX" | "THROTTLED" | "QUOTA_EXCEEDED") {
            continue;
        }
        let document: Value =
            serde_json::from_str(template).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(documents.contains(&document), "{kind}: {document}");
        assert_eq!(document["status"], response["StatusCode"], "{kind}");
    }
}

fn names(stage: &str) -> Names {
    Names { region: "eu-west-1".to_owned(), account_id: "000000000000".to_owned(), stage: stage.to_owned() }
}

#[test]
fn queues_are_called_and_set_as_the_code_expects() {
    let messaging = template("messaging.yaml");
    let (names, acme): (_, TenantId) = (names("dev"), "acme".parse().unwrap());
    for purpose in Purpose::ALL {
        let called = |resource: &str| {
            let name = properties(&messaging, resource)["QueueName"]["Fn::Sub"].as_str().unwrap().to_owned();
            let name = name.replace("${Stage}", "dev").replace("${Tenant}", "acme");
            name.replace("${Purpose}", purpose.as_str())
        };
        assert_eq!(called("Queue"), names.queue(&acme, purpose));
        assert_eq!(called("DeadLetters"), names.dead_letter_queue(&acme, purpose));
        assert_eq!(called("Undelivered"), names.undelivered_queue(&acme, purpose));
    }
    for (topic, name) in [("Commands", names.command_topic(&acme)), ("Results", names.results_topic(&acme))] {
        let topic = properties(&template("tenant.yaml"), topic);
        assert_eq!(topic["FifoThroughputScope"], "MessageGroup");
        let topic = topic["TopicName"]["Fn::Sub"].as_str().unwrap().replace("${Stage}", "dev");
        assert_eq!(topic.replace("${Tenant}", "acme"), name);
    }
    // What SNS refuses, and no emulator does.
    for (policy, topic) in [("CommandsPolicy", "Commands"), ("ResultsPolicy", "Results")] {
        let policy = properties(&template("tenant.yaml"), policy);
        assert_eq!(policy["Topics"], json!([{ "Ref": topic }]));
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            assert_eq!(statement["Resource"], json!({ "Ref": topic }));
        }
    }

    // Nor does SQS take a statement of several resources.
    for (file, policy) in [("messaging.yaml", "FromTopicAlone"), ("tenant.yaml", "MissedFromRules")] {
        let policy = properties(&template(file), policy);
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            let statement = statement.get("Fn::If").map_or(statement, |either| &either[1]);
            assert!(!statement["Resource"].is_array() && !statement["Resource"].is_null(), "{statement}");
        }
    }

    let queue = properties(&messaging, "Queue");
    assert_eq!(queue["VisibilityTimeout"], json!({ "Ref": "VisibilityTimeoutS" }));
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], json!({ "Ref": "MaxReceives" }));
    for resource in ["Queue", "DeadLetters", "Undelivered"] {
        let queue = properties(&messaging, resource);
        assert_eq!(queue["MessageRetentionPeriod"], provision::RETENTION_S, "{resource}");
        assert_eq!(
            (&queue["FifoQueue"], &queue["DeduplicationScope"]),
            (&json!(true), &json!("messageGroup"))
        );
        assert_eq!(queue["FifoThroughputLimit"], "perMessageGroupId", "{resource}");
    }
}

#[test]
fn the_longest_names_are_short_enough() {
    let (names, tenant): (_, TenantId) = (names("a123456789"), "t".repeat(32).parse().unwrap());
    for purpose in Purpose::ALL {
        let undelivered = names.undelivered_queue(&tenant, purpose);
        assert!(undelivered.len() <= 80, "{undelivered}");
    }
}

#[test]
fn mappings_feed_workers_as_workers_expect() {
    let mapping = properties(&template("messaging.yaml"), "Mapping");
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(mapping["BatchSize"], json!({ "Ref": "BatchSize" }));
    let defaults = &template("messaging.yaml")["Parameters"];
    let (tenant, workers, sockets) =
        (template("tenant.yaml"), template("workers.yaml"), template("sockets.yaml"));
    for way in ways(&tenant) {
        let purpose = Purpose::ALL.into_iter().find(|purpose| way["Purpose"] == purpose.as_str()).unwrap();
        let set = |name: &str| way.get(name).unwrap_or(&defaults[name]["Default"]).as_u64().unwrap();
        assert_eq!(set("MaxReceives"), u64::from(provision::max_receives(purpose)));
        assert_eq!(set("BatchSize"), u64::try_from(pump::batch(purpose)).unwrap());
        assert_eq!(set("VisibilityTimeoutS"), provision::visibility_timeout_s(purpose));
        if purpose == Purpose::Deliveries {
            assert_eq!(set("MaxConcurrency"), u64::from(LANES) * u64::try_from(MAX_WEBHOOKS).unwrap());
        }
        let name = format!("pos-${{Stage}}-{}", way["Worker"].as_str().unwrap());
        let resources =
            [&workers, &sockets].map(|template| template["Resources"].as_object().unwrap().values());
        let mut functions = resources.into_iter().flatten();
        let function = functions.find(|resource| resource["Properties"]["FunctionName"]["Fn::Sub"] == name);
        let timeout = function.unwrap()["Properties"].get("Timeout");
        let timeout = timeout.unwrap_or(&workers["Globals"]["Function"]["Timeout"]);
        assert_eq!(*timeout, pump::function_timeout(purpose).as_secs(), "{name}");
    }
}

/// The parameters of each of a tenant's ways from topic to worker.
fn ways(tenant: &Value) -> impl Iterator<Item = &Value> {
    let resources = tenant["Resources"].as_object().unwrap().values();
    let ways = resources.filter(|resource| resource["Properties"]["TemplateURL"] == "messaging.yaml");
    ways.map(|way| &way["Properties"]["Parameters"])
}

/// What rules put into the queue reads as what the code would publish, in the group that it would have.
#[test]
fn files_are_announced_as_the_code_does() {
    let acme: TenantId = "acme".parse().unwrap();
    let tenant = template("tenant.yaml");
    let filled = |text: &Value| {
        let text = text["Fn::Sub"].as_str().unwrap().replace("${Tenant}", "acme").replace("${Stage}", "dev");
        text.replace("${AWS::AccountId}", "000000000000").replace("${AWS::Region}", "eu-west-1")
    };
    let menu = Target::Menu("coffee-bar".parse().unwrap());
    for (rule, target) in [("MenusDropped", menu), ("EmployeesDropped", Target::Roster)] {
        let rule = properties(&tenant, rule);
        let detail = &rule["EventPattern"]["detail"];
        assert_eq!(filled(&detail["bucket"]["name"][0]), names("dev").files());
        let dropped = Dropped { tenant: acme.clone(), target: target.clone(), name: "x".to_owned() };
        assert!(dropped.key().starts_with(&filled(&detail["object"]["key"][0]["prefix"])));
        let to = &rule["Targets"][0];
        assert_eq!(filled(&to["SqsParameters"]["MessageGroupId"]), keys::import_group(&acme, &target));
        let announced = ImportFile {
            tenant: acme.clone(),
            key: "<key>".to_owned(),
            etag: "<etag>".to_owned(),
            sequencer: "<sequencer>".to_owned(),
        };
        let announced = serde_json::to_string(&Message::new(Command::ImportFile(announced))).unwrap();
        assert_eq!(filled(&to["InputTransformer"]["InputTemplate"]), announced);
    }
    let bucket = properties(&template("files.yaml"), "Bucket");
    assert_eq!(filled(&bucket["BucketName"]), names("dev").files());
}

#[test]
fn filters_let_through_what_a_purpose_is_for() {
    let filter = properties(&template("messaging.yaml"), "Subscription")["FilterPolicy"].clone();
    let by_kind = json!({ KIND_ATTRIBUTE: { "Ref": "Kinds" } });
    assert_eq!(filter, json!({ "Fn::If": ["IsResults", { "Ref": "AWS::NoValue" }, by_kind] }));
    let tenant = template("tenant.yaml");
    let deployed: BTreeSet<_> = ways(&tenant)
        .map(|parameters| {
            let text = |name: &str| parameters[name].as_str().unwrap_or_default().to_owned();
            (text("Purpose"), text("Kinds"))
        })
        .collect();
    let kinds = |purpose: Purpose| purpose.kinds().map(Kind::as_str).collect::<Vec<_>>().join(",");
    let expected = Purpose::ALL.map(|purpose| (purpose.as_str().to_owned(), kinds(purpose)));
    assert_eq!(deployed, expected.into());
}

/// What the schedules publish is what the code would, but for its id.
#[test]
fn the_schedules_tick_as_the_code_does() {
    let acme: TenantId = "acme".parse().unwrap();
    let id = "<aws.scheduler.scheduled-time>";
    let cutoff = Command::OpenCutoff(OpenCutoff::new(&acme, id));
    let reconciliation = Command::OpenReconciliation(OpenReconciliation::new(&acme, id));
    for (schedule, tick, group, minutes) in [
        ("Tick", cutoff, keys::cutoff_group(&acme), 15),
        ("ReconciliationTick", reconciliation, keys::reconciliation_group(&acme), 50),
    ] {
        let schedule = properties(&template("tenant.yaml"), schedule);
        // So that companies do not begin in the same second.
        let window = json!({ "Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes });
        assert_eq!(schedule["FlexibleTimeWindow"], window);
        // The most that EventBridge takes, with the longest stage and tenant.
        let name = schedule["Name"]["Fn::Sub"].as_str().unwrap();
        let name = name.replace("${Stage}", "a123456789").replace("${Tenant}", &"t".repeat(32));
        assert!(name.len() <= 64, "{name}");
        let input = schedule["Target"]["Input"]["Fn::Sub"].as_str().unwrap().replace("${Tenant}", "acme");
        let input: Value = serde_json::from_str(&input).unwrap();
        let kind = json!({ "DataType": "String", "StringValue": tick.kind().as_str() });
        assert_eq!(input["Message"], serde_json::to_string(&Message::new(tick)).unwrap());
        assert_eq!(input["MessageDeduplicationId"], id);
        assert_eq!(input["MessageGroupId"], group);
        assert_eq!(input["MessageAttributes"], json!({ KIND_ATTRIBUTE: kind }));
    }
}

#[test]
fn the_user_pool_is_the_one_that_the_code_makes() {
    let users_yaml = template("users.yaml");
    let (pool, client) = (properties(&users_yaml, "Pool"), properties(&users_yaml, "Client"));
    let schema = &pool["Schema"][0];
    assert_eq!(format!("custom:{}", schema["Name"].as_str().unwrap()), TENANT_ATTRIBUTE);
    assert_eq!(schema["Mutable"], false);
    assert_eq!(client["ReadAttributes"], json!([TENANT_ATTRIBUTE]));
    assert!(!client["WriteAttributes"].as_array().unwrap().contains(&json!(TENANT_ATTRIBUTE)));
    assert_eq!(pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true);
    let passwords = &pool["Policies"]["PasswordPolicy"];
    assert_eq!(passwords["MinimumLength"], users::PASSWORD_LENGTH_MIN);
    assert_eq!(passwords["TemporaryPasswordValidityDays"], FIRST_PASSWORD_LIFETIME.as_hours() / 24);
    let validities =
        ["IdTokenValidity", "AccessTokenValidity", "RefreshTokenValidity"].map(|name| &client[name]);
    assert_eq!(
        validities,
        [users::ID_TOKEN_S, users::ID_TOKEN_S, users::REFRESH_TOKEN_S].map(|s| json!(s)).each_ref()
    );
}

/// A dashboard that searches for a metric that nobody emits shows nothing, for ever.
#[test]
fn the_dashboard_shows_metrics_that_are_emitted() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let metrics = Metrics::to(Clock::system(), "dev", move |line| sink.lock().unwrap().push(line.to_owned()));
    metrics.settled(&"acme".parse().unwrap(), &[1]);
    metrics.rejected(&"acme".parse().unwrap(), "sold-out");
    metrics.administered(&"acme".parse().unwrap(), "set-meal");
    metrics.replenished(&"acme".parse().unwrap(), &Totals::default());
    metrics.cutoff_age(&"acme".parse().unwrap(), SignedDuration::from_secs(1));
    metrics.credit_difference(&"acme".parse().unwrap());
    metrics.unworkable(1);
    metrics.reconciled(&"acme".parse().unwrap(), &Tally::default());
    for is_applied in [true, false] {
        metrics.imported(&"acme".parse().unwrap(), &Target::Roster, is_applied);
    }
    let body = properties(&template("alarms.yaml"), "Dashboard")["DashboardBody"]["Fn::Sub"].clone();
    let body = body.as_str().unwrap();
    let mut shown = 0;
    for line in lines.lock().unwrap().iter() {
        let line: Value = serde_json::from_str(line).unwrap();
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        let mut dimensions: Vec<_> =
            declared["Dimensions"][0].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        dimensions.sort_unstable();
        for metric in declared["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            let search = format!(
                r#"SEARCH('{{{NAMESPACE},{}}} MetricName=\"{name}\" Stage=\"${{Stage}}\"'"#,
                dimensions.join(",")
            );
            assert!(body.contains(&search), "no widget has {search}");
            shown += 1;
        }
    }
    assert_eq!(body.matches(&format!("{{{NAMESPACE},")).count(), shown);
    let filled = body.replace("${Stage}", "dev").replace("${AWS::Region}", "eu-west-1");
    serde_json::from_str::<Value>(&filled).unwrap();
}

/// Lambda publishes no version of what has not changed, and CloudFormation sees no secret's value change: of
/// each release every function says that it is another.
#[test]
fn every_release_publishes_every_function() {
    let mut functions = 0;
    for name in ["api.yaml", "sockets.yaml", "workers.yaml"] {
        let template = template(name);
        for (logical_id, resource) in template["Resources"].as_object().unwrap() {
            if resource["Type"] == "AWS::Serverless::Function" {
                functions += 1;
                let release = &resource["Properties"]["AutoPublishCodeSha256"];
                assert_eq!(release, &json!({ "Ref": "Release" }), "{logical_id}");
            }
        }
    }
    assert_eq!(functions, 9);
}

/// Named actions on named resources: no star, no scan.
#[test]
fn roles_grant_nothing_at_large() {
    for name in ["api.yaml", "sockets.yaml", "tenant.yaml", "workers.yaml"] {
        let template = template(name);
        for (logical_id, role) in template["Resources"].as_object().unwrap() {
            for policy in role["Properties"]["Policies"].as_array().into_iter().flatten() {
                for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                    let actions = statement["Action"].to_string();
                    assert!(!actions.contains('*') && !actions.contains("Scan"), "{logical_id}: {actions}");
                    assert_ne!(statement["Resource"], "*", "{logical_id}");
                }
            }
        }
    }
}
