"""Many runs at once in one thread: synchronous code that gives way to others wherever it waits."""
