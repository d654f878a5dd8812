"""Event Hubs through its Kafka endpoint: settings, client, reader, and the meaning of errors."""
