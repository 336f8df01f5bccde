"""What a request does and for how long, as spans of OpenTelemetry: an extra, without which nothing is imported."""
