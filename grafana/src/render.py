"""From questions to what Grafana reads, by the builders of its SDK."""

from grafana_foundation_sdk.builders import (
    common as common_builders,
    dashboard as builders,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard as models, prometheus as prometheus_models

from grafana.src.panels import Dashboard, Kind, Panel, Query

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
HIDDEN = {"Time": True}
BUILDERS = {
    Kind.NUMBER: stat.Panel,
    Kind.LINES: timeseries.Panel,
    Kind.TABLE: table.Panel,
    Kind.STATES: statetimeline.Panel,
}
AnyPanel = stat.Panel | timeseries.Panel | table.Panel | statetimeline.Panel


def render(dashboard: Dashboard) -> models.Dashboard:
    """One dashboard, with the variables that all of them have."""
    built = (
        builders.Dashboard(f"Image Router: {dashboard.title}")
        .uid(f"image-router-{dashboard.name}")
        .description(dashboard.text)
        .tags(["image-router"])
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .link(
            builders.DashboardLink("Image Router")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["image-router"])
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .variables(_variables())
    )
    for number, panel in enumerate(dashboard.panels, 1):
        built.with_panel(_panel(panel).id(number))
    return built.build()


def _variables() -> list[Builder[models.VariableModel]]:
    """Where the data is, and whose: every router, model and target unless the reader chooses."""
    source = builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    chosen = 'job=~"$job"'
    return [
        source,
        _labels("job", "Job", "image_router_build_info"),
        _labels("model", "Model", f"image_router_images_asked_total{{{chosen}}}"),
        _labels("target", "Target", f"image_router_target_state{{{chosen}}}"),
    ]


def _labels(name: str, label: str, metric: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .query(f"label_values({metric}, {name})")
        .definition(f"label_values({metric}, {name})")
        .datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _panel(panel: Panel) -> AnyPanel:
    built: AnyPanel = (
        BUILDERS[panel.kind]()
        .title(panel.title)
        .description(panel.text)
        .datasource(SOURCE)
        .unit(panel.unit)
        .height(panel.height)
        .span(panel.width)
        .interval("15s")
        .targets([_target(query, panel.kind, chr(ord("A") + at)) for at, query in enumerate(panel.queries)])
    )
    if panel.steps:
        first, *others = panel.steps
        steps = [models.Threshold(color=first[1]), *(models.Threshold(value, color) for value, color in others)]
        built.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.names and panel.kind is not Kind.TABLE:
        built.mappings([_names(panel)])
    match built:
        case stat.Panel():
            built.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
            built.color_mode(common.BigValueColorMode.VALUE).graph_mode(common.BigValueGraphMode.NONE)
        case timeseries.Panel():
            _lines(built, panel)
        case table.Panel():
            _columns(built, panel)
        case statetimeline.Panel():
            built.row_height(0.8).show_value(common.VisibilityMode.NEVER)
    return built


def _target(query: Query, kind: Kind, reference: str) -> prometheus.Dataquery:
    now = kind in {Kind.NUMBER, Kind.TABLE}
    shape = prometheus_models.PromQueryFormat.TABLE if kind is Kind.TABLE else None
    target = (
        prometheus.Dataquery()
        .ref_id(reference)
        .datasource(SOURCE)
        .editor_mode(prometheus_models.QueryEditorMode.CODE)
        .expr(query.expression)
        .legend_format(query.name)
    )
    target = target.format(shape) if shape else target
    return target.instant() if now else target.range()


def _lines(built: timeseries.Panel, panel: Panel) -> None:
    built.min(0).fill_opacity(20 if panel.stacked else 5).show_points(common.VisibilityMode.NEVER)
    built.span_nulls(span_nulls=False)
    built.tooltip(
        common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    built.legend(
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )
    if panel.stacked:
        built.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))


def _columns(built: table.Panel, panel: Panel) -> None:
    """Each query a column under its own name, rows with the same labels as one."""
    titles = {
        "Value" if len(panel.queries) == 1 else f"Value #{chr(ord('A') + at)}": query.name
        for at, query in enumerate(panel.queries)
    }
    built.with_transformation(models.DataTransformerConfig("merge", options={}))
    built.with_transformation(
        models.DataTransformerConfig("organize", options={"excludeByName": HIDDEN, "renameByName": titles})
    )
    for query in panel.queries:
        properties = []
        if query.unit == "state":
            properties.append(models.DynamicConfigValue("mappings", [_names(panel)]))
            properties.append(models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
        elif query.unit:
            properties.append(models.DynamicConfigValue("unit", query.unit))
        if properties:
            built.override_by_name(query.name, properties)


def _names(panel: Panel) -> models.ValueMap:
    named = enumerate((panel.names or {}).items())
    return models.ValueMap(
        {str(value): models.ValueMappingResult(text, color, index=at) for at, (value, (text, color)) in named}
    )
