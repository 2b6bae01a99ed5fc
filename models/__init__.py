"""Pure recommendation: events, state and requests in; changed state, ranked items and decisions out."""
