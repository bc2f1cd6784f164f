"""One fault that the seeded tests must find.

Of a source (.cpp) the library's part is compiled again; of a header the file of tests that `tests`
names.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    file: str
    text: str
    instead: str
    tests: str | None = None
