# pyarrow makes its compute functions at import time, so no type checker can see them.
from typing import Any

def __getattr__(name: str) -> Any: ...  # noqa: ANN401  # that is the point
