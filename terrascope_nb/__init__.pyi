from .errors import TerrascopeError as TerrascopeError
from .errors import TerrascopeWarning as TerrascopeWarning
from .settings import get_settings as get_settings
from .settings import options as options
from .settings import set_options as set_options

__version__: str
