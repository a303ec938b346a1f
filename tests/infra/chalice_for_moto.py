"""Chalice's command line with what moto needs to take a deployment; the tests run it as a script."""

import sys
from typing import Any

from chalice.awsclient import TypedAWSClient
from chalice.cli import main
from chalice.deploy import deployer

Document = dict[str, Any]


def as_openapi(document: Document) -> Document:
    """The same API document as moto takes it: OpenAPI 3, with a description."""
    rest = {key: value for key, value in document.items() if key != "swagger"}
    return {**rest, "openapi": "3.0.1", "info": {**document["info"], "description": ""}}


class MotoClient(TypedAWSClient):
    """Speaks moto's dialect; everything else is Chalice's."""

    def get_layer_version(self, layer_version_arn: str) -> dict[str, Any]:
        """Asks by name and number: moto has no GetLayerVersionByArn."""
        _, name, number = layer_version_arn.rsplit(":", 2)
        found: dict[str, Any] = self._client("lambda").get_layer_version(LayerName=name, VersionNumber=int(number))
        return found

    def import_rest_api(self, swagger_document: Document, endpoint_type: str) -> str:
        return super().import_rest_api(as_openapi(swagger_document), endpoint_type)

    def update_api_from_swagger(self, rest_api_id: str, swagger_document: Document) -> None:
        super().update_api_from_swagger(rest_api_id, as_openapi(swagger_document))


if __name__ == "__main__":
    setattr(deployer, TypedAWSClient.__name__, MotoClient)
    sys.exit(main())
