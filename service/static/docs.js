"use strict";

SwaggerUIBundle({
  // Relative, so that it is found below the path of a proxy.
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  layout: "BaseLayout",
  // The validator badge would send a request to another server.
  validatorUrl: null,
});
