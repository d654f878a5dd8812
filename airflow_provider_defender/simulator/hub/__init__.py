"""An embedded event hub, the exporter that sends into it, and the event tables that it sends."""
