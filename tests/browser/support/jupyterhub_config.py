"""A JupyterHub for tests: below a prefix, one password for all, one simple process per user."""

import json
import os
import sys

told = os.environ
config = get_config()  # noqa: F821 - the hub puts it here
config.JupyterHub.bind_url = f"http://127.0.0.1:{told['HUB_PORT']}{told['HUB_PREFIX']}"
config.JupyterHub.hub_bind_url = f"http://127.0.0.1:{told['HUB_API_PORT']}"
config.JupyterHub.db_url = "sqlite:///:memory:"
config.JupyterHub.cookie_secret = os.urandom(32)
config.JupyterHub.cleanup_servers = True
config.JupyterHub.authenticator_class = "dummy"
config.DummyAuthenticator.password = told["HUB_PASSWORD"]
config.Authenticator.allow_all = True
config.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{told['PROXY_API_PORT']}"
config.ConfigurableHTTPProxy.command = ["node", told["HUB_PROXY"]]
config.JupyterHub.spawner_class = "simple"
config.SimpleLocalProcessSpawner.home_dir_template = told["HUB_HOMES"] + "/{username}"
config.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
config.Spawner.args = json.loads(told["HUB_LAB_OPTIONS"])
config.Spawner.default_url = "/lab"
config.Spawner.environment = json.loads(told["HUB_USER_ENVIRONMENT"])
config.Spawner.start_timeout = 120
config.Spawner.http_timeout = 120
