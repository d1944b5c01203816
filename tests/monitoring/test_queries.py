"""Every panel and alert queries a real Prometheus that scraped real workers."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countermand.lab.localstack import LocalStack
from support.boards import ALERTS, BUILT
from support.running import Site, Worker, aws_environment, decision, eventually, free_port

pytestmark = pytest.mark.localstack

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: countermand
    static_configs: [{{targets: [{targets}]}}]
"""
QUERIES = [
    pytest.param(target["expr"], id=f"{name}: {panel['title']}: {target['refId']}")
    for name, board in BUILT.items()
    for panel in board["panels"]
    for target in panel.get("targets", ())
]


class Asked:
    """A client of a running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[Any]:
        for name, value in (
            ("$job", "countermand"),
            ("$__rate_interval", "5m"),
            ("$__range", "10m"),
        ):
            expression = expression.replace(name, value)
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=10) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
            return found


@pytest.fixture(scope="module")
def asked(
    localstack: LocalStack, prometheus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("prometheus")
    with aws_environment(localstack.url):
        yield from watched(Site(localstack, folder), folder, prometheus)


def watched(site: Site, folder: Path, prometheus: Path) -> Iterator[Asked]:
    """Run Prometheus and two workers that produce every metric."""
    port, config = free_port(), folder / "prometheus.yml"
    ports = [free_port(), free_port()]
    config.write_text(CONFIG.format(targets=", ".join(f'"127.0.0.1:{p}"' for p in ports)))
    server = subprocess.Popen(
        [
            prometheus / "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        asked = Asked(f"http://127.0.0.1:{port}")
        everything_happens(site, ports, asked)
        yield asked
    finally:
        server.terminate()
        site.close()
        server.wait(10)


def everything_happens(site: Site, ports: list[int], asked: Asked) -> None:
    """Produce all events: failed alerts in the second worker, all others in the first."""
    first = started(site, ports[0], mode="enforce")
    assert eventually(lambda: scraped(asked, "countermand_build_info"))
    found = decision(first, site.attack(site.user("taken")))
    decision(first, site.attack(site.user("approved"), {"SecurityApproved": "true"}))
    site.countermand(first, "undo", found["decision_id"], "--yes")
    site.lab.send(site.stack.queue_url, "no JSON")
    assert eventually(lambda: scraped(asked, "countermand_events_malformed_total > 0"))
    assert eventually(lambda: scraped(asked, "sum(countermand_decisions_total) >= 2"))
    # A rate needs two samples of each series, and this worker stops next.
    exception = 'increase(countermand_decisions_total{guard="exception"}[5m])'
    applied = 'increase(countermand_decisions_total{guard="approved"}[5m])'
    assert eventually(lambda: scraped(asked, exception) and scraped(asked, applied))
    first.stop()
    second = started(site, ports[1], topic_arn=f"{site.stack.topic_arn}-gone")
    site.attack(site.user("untold"))
    assert eventually(lambda: scraped(asked, "sum(countermand_aws_errors_total) > 0"))
    failed = 'countermand_alerts_total{status="failed"}'
    assert eventually(lambda: scraped(asked, f"sum(increase({failed}[5m])) > 0"))
    assert eventually(lambda: scraped(asked, "sum(rate(countermand_aws_errors_total[5m])) >= 0"))
    assert second.ready()


def started(site: Site, port: int, **settings: str) -> Worker:
    worker = Worker(site.environment(**settings), site.folder, port)
    site.workers.append(worker)
    assert eventually(worker.ready), worker.log_file.read_text()
    return worker


def scraped(asked: Asked, expression: str) -> bool:
    try:
        return bool(asked.query(expression))
    except OSError:
        return False


@pytest.mark.parametrize("expression", QUERIES)
def test_every_panel_shows_data(asked: Asked, expression: str) -> None:
    found = asked.query(expression)
    assert found
    assert not all(series["value"][1] == "NaN" for series in found)


@pytest.mark.parametrize("alert", [pytest.param(a, id=a["alert"]) for a in ALERTS])
def test_every_alert_can_be_queried(asked: Asked, alert: dict[str, Any]) -> None:
    asked.query(alert["expr"])


@pytest.mark.parametrize(
    "name",
    ["CountermandRemediationFailed", "CountermandMalformedMessages", "CountermandAlertsFail"],
)
def test_an_alert_fires_only_on_its_failure(asked: Asked, name: str) -> None:
    (alert,) = (alert for alert in ALERTS if alert["alert"] == name)
    assert bool(asked.query(alert["expr"])) == (name != "CountermandRemediationFailed")
