"""What `undo` shows before it asks, and after it is done."""

from rich.console import Console
from rich.text import Text

from countermand.core.model import Call, Record
from countermand.core.report import plain
from countermand.operations.undo import UndoPlan


def show_plan(plan: UndoPlan, person: str) -> None:
    """Print the decision, the calls, and what changed on the target since."""
    decision, decided = plan.record.decision, plan.record.timings.decided_at
    finding = decision.leading.finding
    target = plain(finding.subject.name) if finding.subject else "hidden target"
    _say(f"Decision {decision.id}{f' of {decided.isoformat()}' if decided else ''}")
    _say(f"  {target}: {plain(finding.title)}, severity {finding.severity}")
    _say(f"Undo with the permissions of {plain(person)}:")
    for call in plan.calls:
        _say(f"  {_call(call)}")
    _say("Changed since the decision:")
    for change in plan.changes or ("nothing on the target",):
        _say(f"  {plain(change)}")


def show_undone(record: Record) -> None:
    """Print what was done."""
    calls = [outcome.inverse for outcome in record.outcomes if outcome.inverse is not None]
    for text in dict.fromkeys(map(_call, calls)):
        _say(f"Done: {text}", style="green")
    _say("Countermand will not revert this change again for events up to now.")


def _call(call: Call) -> str:
    params = ", ".join(f"{plain(name)}={plain(value)}" for name, value in call.params.items())
    return f"{call.action} ({params})"


def _say(text: str, style: str = "") -> None:
    Console().print(Text(text, style=style), soft_wrap=True)
