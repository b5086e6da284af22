"""terrascope_nb: from "these fields, this spring" to right numbers, a map and a repeatable job.

Use it as ``import terrascope_nb as ts``. Every public name is listed in ``__init__.pyi`` and loaded when first used,
so that the import itself stays under a tenth of a second.
"""

import lazy_loader as _lazy

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
