"""What agents send to the aggregator: observations as bytes and back, versioned."""
