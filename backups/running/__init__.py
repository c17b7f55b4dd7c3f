"""What does a running job hold, and how is its progress seen and the job stopped?"""
