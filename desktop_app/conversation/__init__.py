"""The core: the rules of a conversation, as a pure function from what happened to what shall be done."""
