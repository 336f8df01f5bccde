"""The dashboards, as code: one file for each, `build` writes the JSON that Grafana reads."""

import warnings

with warnings.catch_warnings():  # the SDK prefers its newer schema, which Grafana before 12 does not import
    warnings.simplefilter("ignore", DeprecationWarning)
    import grafana_foundation_sdk.builders.dashboard
    import grafana_foundation_sdk.builders.prometheus  # noqa: F401 - both imported for their warnings
