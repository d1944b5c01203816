import re
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from countermand.core.errors import ConfigError
from countermand.core.model import Mode, SubjectKind
from countermand.settings import Settings, variable
from countermand.settings import load as load_settings
from countermand.settings.docs import Row, configuration_page, describe

QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/countermand"
TOPIC = "arn:aws:sns:us-east-1:111122223333:countermand-alerts"
REQUIRED = {"COUNTERMAND_QUEUE_URL": QUEUE, "COUNTERMAND_TOPIC_ARN": TOPIC}
TOKEN = "s3cr3t-token-of-the-tests"


def load(**changes: str) -> Settings:
    """Settings of the required variables and these, named without the prefix."""
    return load_settings(REQUIRED | {variable(name): value for name, value in changes.items()})


def mistakes(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def mistake(**changes: str) -> str:
    (only,) = mistakes(REQUIRED | {variable(name): value for name, value in changes.items()})
    return only


def test_the_defaults_are_the_promised_ones() -> None:
    settings = load()
    assert settings.mode is Mode.DRY_RUN
    assert settings.user_scope == "iam-test-*"
    assert settings.exception_tag_pair == ("SecurityApproved", "true")
    assert settings.api_host == "127.0.0.1"
    assert settings.api_token is None
    assert settings.ledger == ("sqlite", "countermand.sqlite3")
    assert (settings.region, settings.event_region) == ("us-east-1", "us-east-1")
    assert settings.account_id is None
    assert settings.own_role_arn is None
    assert settings.log_group is None
    assert settings.recheck_seconds == (5, 15)
    assert settings.lease_seconds == 75
    assert settings.warnings() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("worker_threads", 16),
        ("poll_seconds", 20),
        ("visibility_seconds", 60),
        ("heartbeat_seconds", 20),
        ("message_deadline_seconds", 240),
        ("lease_margin_seconds", 15),
        ("drain_seconds", 25),
        ("max_event_age_hours", 24),
        ("settle_seconds", 15),
        ("backoff_base_seconds", 15),
        ("backoff_cap_seconds", 900),
        ("retention_days", 400),
        ("replicas", 1),
        ("api_port", 8080),
    ],
)
def test_a_default_number_is_the_promised_one(field: str, value: int) -> None:
    assert getattr(load(), field) == value


def test_every_mistake_is_reported_at_once() -> None:
    lines = mistakes(
        {
            "COUNTERMAND_QUEUE_URL": "my-queue",
            "COUNTERMAND_MODE": "yolo",
            "COUNTERMAND_WORKER_THREADS": "many",
            "COUNTERMAND_HEARTBEAT_SECONDS": "25",
            "COUNTERMAND_MOED": "enforce",
        }
    )
    starts = [line.partition(":")[0] for line in lines]
    assert starts == [
        "COUNTERMAND_MOED",
        "COUNTERMAND_QUEUE_URL",
        "COUNTERMAND_TOPIC_ARN",
        "COUNTERMAND_MODE",
        "COUNTERMAND_WORKER_THREADS",
        "COUNTERMAND_HEARTBEAT_SECONDS, COUNTERMAND_VISIBILITY_SECONDS",
    ]


def test_a_mistake_is_explained() -> None:
    """A mistake names the variable, the fault, the value and a right value."""
    assert mistake(worker_threads="65") == (
        "COUNTERMAND_WORKER_THREADS: should be less than or equal to 64 (current value: '65'); "
        "for example COUNTERMAND_WORKER_THREADS=16"
    )


def test_a_missing_variable_is_required() -> None:
    """The error says that the missing variable is required."""
    assert mistakes({"COUNTERMAND_QUEUE_URL": QUEUE}) == [
        f"COUNTERMAND_TOPIC_ARN: is required; for example COUNTERMAND_TOPIC_ARN={TOPIC}"
    ]


def test_a_misspelt_variable_is_refused() -> None:
    """The error suggests the nearest name."""
    line = mistake(exeption_tag="a=b")
    assert line.endswith("did you mean COUNTERMAND_EXCEPTION_TAG?")


@pytest.mark.parametrize("name", ["countermand_mode", "COUNTERMAND_mode"])
def test_a_variable_in_the_wrong_case_is_refused(name: str) -> None:
    """A variable in the wrong case is refused, not ignored."""
    (line,) = mistakes(REQUIRED | {name: "enforce"})
    assert line == f"{name}: there is no such setting; did you mean COUNTERMAND_MODE?"


def test_variables_of_others_are_ignored() -> None:
    settings = load_settings(REQUIRED | {"MODE": "enforce", "AWS_REGION": "eu-west-1"})
    assert settings.mode is Mode.DRY_RUN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COUNTERMAND_PORT", "tcp://10.0.0.1:8080"),
        ("COUNTERMAND_SERVICE_HOST", "10.0.0.1"),
        ("COUNTERMAND_SERVICE_PORT", "8080"),
        ("COUNTERMAND_SERVICE_PORT_HTTP", "8080"),
        ("COUNTERMAND_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("COUNTERMAND_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("COUNTERMAND_API_PORT", "tcp://10.0.0.1:8080"),
        ("COUNTERMAND_METRICS_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_variables_of_kubernetes_are_ignored(name: str, value: str) -> None:
    """The variables that Kubernetes injects for a service are ignored."""
    assert load_settings(REQUIRED | {name: value}) == load()


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(mode="", api_token=" ") == load()


def test_whitespace_around_a_value_is_dropped() -> None:
    """Spaces and line breaks around a value are dropped."""
    assert load(mode=" enforce\n").mode is Mode.ENFORCE


def test_the_process_environment_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERMAND_MODE", "enforce")
    assert load().mode is Mode.DRY_RUN
    assert Settings(queue_url=QUEUE, topic_arn=TOPIC).mode is Mode.DRY_RUN


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queue_url", "ftp://sqs/queue"),
        ("queue_url", "https://user:password@host/queue"),
        ("topic_arn", "arn:aws:sqs:us-east-1:111122223333:x"),
        ("topic_arn", "arn:aws:sns:us-east-1:111122223333:x.fifo"),
        ("account_id", "11112222333"),
        ("account_id", "١١١١٢٢٢٢٣٣٣٣"),
        ("mode", "ENFORCE!"),
        ("user_scope", "iam-[a-z]*"),
        ("user_scope", "team/iam-*"),
        ("user_scope", "a" * 65),
        ("exception_tag", "SecurityApproved"),
        ("exception_tag", "SecurityApproved="),
        ("exception_tag", "=true"),
        ("own_role_arn", "arn:aws:iam::111122223333:user/x"),
        ("visibility_seconds", "29"),
        ("visibility_seconds", "43201"),
        ("poll_seconds", "21"),
        ("drain_seconds", "111"),
        ("recheck_seconds", "5;15"),
        ("recheck_seconds", "15,5"),
        ("ledger_url", "sqlite:///var/lib/ledger.sqlite3"),
        ("ledger_url", "postgres:x"),
        ("ledger_url", "dynamodb:a table"),
        ("api_port", "65536"),
        ("api_token", "fifteen-letters"),
        ("api_token", "sixteen letters and spaces"),
        ("api_token", "sixteen-lettérs-"),
        ("api_public_url", "javascript:alert(1)"),
        ("log_level", "LOUD"),
        ("log_group", "a group"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(field: str, value: str) -> None:
    assert mistake(**{field: value}).startswith(f"{variable(field)}: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queue_url", "http://localhost:4566/000000000000/countermand"),
        ("topic_arn", "arn:aws:sns:us-east-1:000000000000:t"),
        ("user_scope", "*"),
        ("exception_tag", "team:Approved by=sec=yes"),
        ("own_role_arn", "arn:aws-us-gov:iam::111122223333:role/path/countermand"),
        ("recheck_seconds", "5, 10, 15"),
        ("ledger_url", "sqlite:/var/lib/countermand/ledger.sqlite3"),
        ("ledger_url", "dynamodb:countermand"),
        ("api_port", "0"),
        ("log_level", "debug"),
        ("api_host", "::1"),
    ],
)
def test_a_value_of_the_right_form_is_taken(field: str, value: str) -> None:
    assert getattr(load(**{field: value}), field) is not None


def test_other_partitions_are_accepted() -> None:
    """Other partitions are accepted when every setting is present."""
    settings = load(
        queue_url="https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q",
        topic_arn="arn:aws-cn:sns:cn-north-1:111122223333:t",
        region="cn-north-1",
        event_region="cn-north-1",
    )
    assert settings.region == "cn-north-1"


def a_queue(host: str, path: str = "/111122223333/q") -> dict[str, str]:
    return {"queue_url": f"https://{host}{path}"}


@pytest.mark.parametrize(
    "host",
    [
        "sqs.us-east-1.amazonaws.com",
        "SQS.us-east-1.amazonaws.com:443",
        "sqs-fips.us-east-1.amazonaws.com",
        "sqs.us-east-1.api.aws",
        "sqs-fips.us-east-1.api.aws",
        "us-east-1.queue.amazonaws.com",
        "queue.amazonaws.com",
        "vpce-0123-abcd.sqs.us-east-1.vpce.amazonaws.com",
        "vpce-0123-abcd-us-east-1a.sqs.us-east-1.vpce.amazonaws.com",
        "sqs.us-east-1.localhost.localstack.cloud:4566",
        "localhost:4566",
        "10.0.0.7",
    ],
)
def test_queue_of_the_region_is_accepted(host: str) -> None:
    """In every form that SQS and emulators use."""
    assert load(**a_queue(host)).queue_url
    assert load(**a_queue(host, "/111122223333/q.fifo")).queue_url


@pytest.mark.parametrize(
    "host",
    [
        "sqs.eu-west-1.amazonaws.com",
        "sqs-fips.us-west-2.amazonaws.com",
        "sqs.eu-west-1.api.aws",
        "eu-west-1.queue.amazonaws.com",
        "vpce-0123-abcd.sqs.eu-west-1.vpce.amazonaws.com",
        "sqs.cn-north-1.amazonaws.com.cn",
        "sqs.cn-north-1.api.amazonwebservices.com.cn",
        "sqs.eusc-de-east-1.amazonaws.eu",
        "sqs.us-gov-west-1.amazonaws.com",
        "sqs.us-iso-east-1.c2s.ic.gov",
        "sqs.eu-west-1.localhost.localstack.cloud:4566",
    ],
)
def test_queue_of_another_region_is_refused(host: str) -> None:
    assert "the queue is in " in mistake(**a_queue(host))


@pytest.mark.parametrize("path", ["/q", "/1/q", "/111122223333", "/111122223333/a/b", "/x/q"])
def test_queue_without_account_is_refused(path: str) -> None:
    assert "must end in the account" in mistake(**a_queue("sqs.us-east-1.amazonaws.com", path))


PARTITIONS = {
    "aws-us-gov": ("us-gov-east-1", "us-gov-west-1"),
    "aws-cn": ("cn-northwest-1", "cn-north-1"),
    "aws-eusc": ("eusc-de-east-1", "eusc-de-east-1"),
    "aws-iso": ("us-iso-west-1", "us-iso-east-1"),
    "aws-iso-b": ("us-isob-west-1", "us-isob-east-1"),
    "aws-iso-e": ("eu-isoe-west-1", "eu-isoe-west-1"),
    "aws-iso-f": ("us-isof-east-1", "us-isof-south-1"),
}


def in_region(partition: str, region: str) -> dict[str, str]:
    topic = f"arn:{partition}:sns:{region}:111122223333:t"
    return a_queue(f"sqs.{region}.example") | {"region": region, "topic_arn": topic}


@pytest.mark.parametrize("partition", PARTITIONS)
def test_event_region_of_another_partition_fails(partition: str) -> None:
    """The default, us-east-1, would refuse each event of GovCloud; the error names what to set."""
    region, home = PARTITIONS[partition]
    given = in_region(partition, region)
    assert f"set COUNTERMAND_EVENT_REGION={home}" in mistake(**given)
    assert load(**given, event_region=home).event_region == home


def test_event_region_of_govcloud_fails_in_aws() -> None:
    assert "set COUNTERMAND_EVENT_REGION=us-east-1" in mistake(event_region="us-gov-west-1")


def test_a_partition_without_a_name_here_may_start() -> None:
    """A new partition needs no new version; only a region of a known one is refused in it."""
    given = in_region("aws-new", "xx-new-east-1")
    assert load(**given, event_region="xx-new-east-1").event_region == "xx-new-east-1"
    assert "set COUNTERMAND_EVENT_REGION=xx-new-east-1" in mistake(**given)


@pytest.mark.parametrize(
    ("dlq", "part"),
    [
        ("https://sqs.us-east-1.amazonaws.com/444455556666/d", "region and account of the queue"),
        ("https://sqs.eu-west-1.amazonaws.com/111122223333/d", "region and account of the queue"),
        ("https://sqs.us-east-1.amazonaws.com/111122223333/d.fifo", "two FIFO queues"),
        ("https://sqs.us-east-1.amazonaws.com/d", "must end in the account"),
    ],
)
def test_dlq_that_sqs_would_refuse_is_refused(dlq: str, part: str) -> None:
    assert part in mistake(dlq_url=dlq)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"heartbeat_seconds": "21"}, "more than a third of the visibility of 60 s"),
        ({"backoff_base_seconds": "20", "backoff_cap_seconds": "10"}, "longer than the longest"),
        ({"replicas": "2"}, "cannot share an SQLite file"),
        ({"region": "eu-west-1", "queue_url": "http://vpc/q"}, "topic is in us-east-1"),
        (
            {"queue_url": "https://sqs.eu-west-1.amazonaws.com/111122223333/q"},
            "queue is in eu-west-1",
        ),
        ({"dlq_url": QUEUE}, "must differ from the queue"),
        ({"api_host": "0.0.0.0"}, "could read decisions"),  # noqa: S104
    ],
)
def test_contradicting_values_are_refused(changes: dict[str, str], part: str) -> None:
    """Values that do not fit together are refused."""
    assert part in mistake(**changes)


def test_replicas_may_share_a_table() -> None:
    assert load(replicas="3", ledger_url="dynamodb:countermand").replicas == 3


def test_the_visibility_outlives_the_longest_poll() -> None:
    """The shortest visibility timeout is longer than the longest poll."""
    visibility, poll = (Settings.model_fields[n] for n in ("visibility_seconds", "poll_seconds"))
    shortest = next(m.ge for m in visibility.metadata if hasattr(m, "ge"))
    longest = next(m.le for m in poll.metadata if hasattr(m, "le"))
    read_timeout_beyond_the_wait = 5
    assert shortest > longest + read_timeout_beyond_the_wait


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_the_api_on_this_machine_needs_no_token(host: str) -> None:
    assert load(api_host=host).api_token is None


def test_a_public_api_needs_a_token() -> None:
    """An API beyond this machine needs a token or an explicit setting."""
    everywhere = {"api_host": "0.0.0.0", "api_public_url": "https://c.example.com"}  # noqa: S104
    assert load(**everywhere, api_token=TOKEN).warnings() == []
    (warning,) = load(**everywhere, api_allow_anonymous="true").warnings()
    assert "without a token" in warning


@pytest.mark.parametrize(
    "scope", [f"{kind}_scope" for kind in SubjectKind if kind is not SubjectKind.ACCOUNT]
)
def test_enforcing_on_every_target_is_a_warning(scope: str) -> None:
    """It is allowed: an empty break-glass list may be meant."""
    (warning,) = load(mode="enforce", **{scope: "*"}).warnings()
    assert f"COUNTERMAND_{scope.upper()}=* puts every" in warning
    assert "BREAK_GLASS" in warning
    assert load(mode="dry-run", **{scope: "*"}).warnings() == []


def test_a_scope_of_all_resources_is_a_warning() -> None:
    (warning,) = load(mode="enforce", resource_scope="arn:*").warnings()
    assert "every resource" in warning


def test_links_that_nobody_can_open_are_warned_of() -> None:
    (warning,) = load(api_port="9090").warnings()
    assert "COUNTERMAND_API_PUBLIC_URL" in warning


def test_a_secret_is_never_printed() -> None:
    settings = load(api_token=TOKEN)
    shown = [repr(settings), str(settings), settings.as_text(), str(settings.model_dump())]
    assert not [text for text in shown if TOKEN in text]
    assert settings.as_environment()["COUNTERMAND_API_TOKEN"] == "********"


def test_a_wrong_secret_is_never_printed_either() -> None:
    secret = "not ascii: é"
    lines = mistakes({"COUNTERMAND_API_TOKEN": secret, "COUNTERMAND_API_TOKNE": secret})
    assert len(lines) == 4
    assert secret not in "".join(lines)
    assert ascii(secret)[1:-1] not in "".join(lines)
    with pytest.raises(ValidationError) as caught:
        Settings(queue_url=QUEUE, topic_arn=TOPIC, api_token=secret)  # type: ignore[arg-type]
    assert secret not in str(caught.value)


def test_a_hostile_value_stays_on_its_line() -> None:
    """A hostile value cannot break the line that shows it."""
    line = mistake(mode="a\nb\x1b[31m\u202e" + "c" * 500)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 400


def test_printed_settings_give_the_same_again() -> None:
    """Printed settings give the same settings again."""
    settings = load(mode="enforce", recheck_seconds="6,12", account_id="111122223333")
    assert load_settings(settings.as_environment()) == settings
    assert "COUNTERMAND_RECHECK_SECONDS=6,12\n" in settings.as_text()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load().mode = Mode.ENFORCE


def test_every_field_is_described() -> None:
    """Every field has a meaning and shows a right value."""
    for row in describe():
        assert len(row.meaning) > 20, row.variable
        assert row.meaning.endswith("."), row.variable
        assert row.example, row.variable
        assert row.section, row.variable


def test_every_example_is_a_right_value() -> None:
    rows = {row.variable: row.example for row in describe() if row.type != "secret"}
    del rows["COUNTERMAND_API_HOST"]  # right with a token only
    assert load_settings(rows).mode is Mode.DRY_RUN


def test_a_field_ends_in_its_unit() -> None:
    """Every field ends in its unit when it has one."""
    for row in describe():
        if re.match(r"(Seconds|Days|Hours)\b", row.meaning):
            unit = row.meaning.split()[0].upper()
            assert row.variable.endswith(f"_{unit}"), row.variable


def test_the_page_has_one_line_for_every_variable() -> None:
    page = configuration_page(Settings)
    for name in Settings.model_fields:
        assert page.count(f"| `{variable(name)}` |") == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BREAK_GLASS", "ARNs, comma-separated"),
        ("RULES_FOLDERS", "absolute paths, comma-separated"),
        ("RECHECK_SECONDS", "whole numbers, comma-separated"),
        ("WORKER_THREADS", "whole number, 1 to 64"),
        ("MODE", "`observe`, `dry-run`, `enforce`"),
        ("API_TOKEN", "secret"),
        ("API_ALLOW_ANONYMOUS", "`true` or `false`"),
        ("QUEUE_URL", "text"),
    ],
)
def test_the_page_names_the_type_of_a_setting(name: str, words: str) -> None:
    """An operator reads the type before the example."""
    types = {row.variable: row.type for row in describe()}
    assert types[f"COUNTERMAND_{name}"] == words


@pytest.mark.parametrize("row", describe(), ids=lambda row: row.variable)
def test_an_example_has_the_documented_type(row: Row) -> None:
    """Whole numbers are digits, lists of ARNs begin with arn:, and so on."""
    forms = {
        "ARNs, comma-separated": r"arn:\S+(,arn:\S+)*",
        "absolute paths, comma-separated": r"/\S+(,/\S+)*",
        "whole numbers, comma-separated": r"[0-9]+(,[0-9]+)*",
        "`true` or `false`": "true|false",
        "text": r".+",
        "secret": r".+",
    }
    choices = row.type.replace("`", "").replace(", ", "|")
    form = r"[0-9]+" if row.type.startswith("whole number,") else forms.get(row.type, choices)
    assert re.fullmatch(form, row.example), (row.type, row.example)
