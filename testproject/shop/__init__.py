"""A few products, and a cart that lives in the session."""
