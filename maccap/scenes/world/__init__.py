"""The synthetic world: scenes, how they are drawn, what is true of them, and captions of them."""
