"""Live: a walk on a clock, steered while it is drawn, shown through sinks. `wplus.live.show.Show` is its face."""
