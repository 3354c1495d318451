"""What a run would do and take, told before it is begun: nothing is written into its folder."""
