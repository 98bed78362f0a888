"""What a trained model says of photos that it has not seen: `NAME(loaded) -> Sayer`, one file each way to answer."""
