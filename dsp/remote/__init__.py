"""Any OpenAI-compatible endpoint: requests that are retried within their time, answers that are checked."""
