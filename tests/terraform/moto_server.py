"""Run moto's server with one more call: `moto_server.py -H HOST -p PORT`.

The provider makes this call of Application Auto Scaling, and moto lacks it.
"""

import json
from typing import Any

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Responses
from moto.server import main

_register = Responses.register_scalable_target
_tags: dict[str, Any] = {}


def register_scalable_target(self: Any) -> Any:
    answer = _register(self)
    if given := self._get_param("Tags"):
        _tags[json.loads(answer)["ScalableTargetARN"]] = given
    return answer


def list_tags_for_resource(self: Any) -> str:
    return json.dumps({"Tags": _tags.get(self._get_param("ResourceARN"), {})})


for call in (register_scalable_target, list_tags_for_resource):
    setattr(Responses, call.__name__, call)

if __name__ == "__main__":
    main()
