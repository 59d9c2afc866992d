"""What an app in Azure has for the host and for libraries, for processes that are started here."""

from __future__ import annotations

from typing import Final

from archival_core.host_settings import HostSettings

_DEFAULTS: Final[dict[str, str]] = {name.upper(): field.get_default() for name, field in HostSettings.model_fields.items()}

#: When each timer runs, as NCRONTAB.
SCHEDULES: Final = {name: value for name, value in _DEFAULTS.items() if name.endswith("_SCHEDULE")}
#: How the worker allocates memory: as in Azure, so that what is measured here is what runs there.
FLAT_MEMORY: Final = {name: value for name, value in _DEFAULTS.items() if name not in SCHEDULES}
