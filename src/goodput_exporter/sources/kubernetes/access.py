"""Where the API server is and who we are, as the Kubernetes client reads it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from kubernetes.client.configuration import Configuration
from kubernetes.config import load_kube_config
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_HOST_ENV_NAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

from goodput_exporter.errors import ConfigError

Access: TypeAlias = Callable[[], Configuration]
"""Opens the configuration anew; the client calls it at the start and after a 401."""

BEARER: Final = "BearerToken"
AUTHORIZATION: Final = "authorization"
POOL_SIZE: Final = 64
"""Connections kept: one per kind and namespace, and some for short questions."""


def find(environ: Mapping[str, str] = os.environ) -> Access:
    """Return the way in: of the pod if this is one, else of the kubeconfig."""
    return in_cluster if SERVICE_HOST_ENV_NAME in environ else kubeconfig()


def in_cluster(
    token_file: str = SERVICE_TOKEN_FILENAME,
    ca_file: str = SERVICE_CERT_FILENAME,
    environ: Mapping[str, str] = os.environ,
) -> Configuration:
    """
    Open what Kubernetes gives to pods; the token is read anew per request.

    The client's own loader keeps a token for a minute, which is longer than one
    may live.

    Raises:
        ConfigError: Part of it is missing.
    """
    configuration = _empty()

    def load(into: Configuration) -> None:
        loader = InClusterConfigLoader(
            token_file, ca_file, try_refresh_token=False, environ=environ
        )
        loader.load_and_set(into)

    try:
        load(configuration)
    except (ConfigException, OSError) as error:
        msg = (
            f"the pod's access to the API server: {error}; is a service account's "
            f"token mounted at {token_file}?"
        )
        raise ConfigError(msg) from error
    configuration.refresh_api_key_hook = load
    return configuration


def kubeconfig(path: Path | None = None, context: str | None = None) -> Access:
    """
    Return the way in that a kubeconfig names.

    Args:
        path: The file; None means ``KUBECONFIG``, or the one in the home.
        context: One of its contexts; None means the current one.
    """

    def open_kubeconfig() -> Configuration:
        configuration = _empty()
        try:
            load_kube_config(
                config_file=None if path is None else str(path),
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
        except (ConfigException, OSError) as error:
            msg = f"kubeconfig {path or '(the usual one)'}: {error}; check KUBECONFIG"
            raise ConfigError(msg) from error
        return configuration

    return open_kubeconfig


def explicit(
    host: str, token_file: Path | None = None, ca_file: Path | None = None
) -> Access:
    """
    Return the way in that a person wrote out.

    Args:
        host: Such as ``https://10.0.0.1:6443``.
        token_file: With a bearer token, read anew per request; None for none.
        ca_file: Whom to believe; None means the system's authorities.
    """

    def read_token(into: Configuration) -> None:
        if token_file is not None:
            token = token_file.read_text(encoding="ascii").strip()
            into.api_key[BEARER] = f"Bearer {token}"

    def open_explicit() -> Configuration:
        configuration = _empty()
        configuration.host = host
        configuration.ssl_ca_cert = None if ca_file is None else str(ca_file)
        try:
            read_token(configuration)
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{token_file}: no token for {host} can be read: {error}"
            raise ConfigError(msg) from error
        configuration.refresh_api_key_hook = read_token
        return configuration

    return open_explicit


def headers_of(configuration: Configuration) -> dict[str, str]:
    """
    Return the headers that say who we are, with what the files hold now.

    Raises:
        ConfigException, OSError, ValueError: They cannot be read.
    """
    bearer = configuration.get_api_key_with_prefix(BEARER, AUTHORIZATION)
    if bearer:
        return {AUTHORIZATION: str(bearer)}
    if configuration.username:
        return {AUTHORIZATION: str(configuration.get_basic_auth_token())}
    return {}


def _empty() -> Configuration:
    configuration = Configuration()
    configuration.connection_pool_maxsize = POOL_SIZE
    return configuration
