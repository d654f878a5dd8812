"""What stands in the columns of event tables, as a catalogue of makers."""
