# The app on Microsoft's image of the functions host, for who runs that elsewhere than on Flex Consumption (Container Apps, Kubernetes).
# Settings and identities are the environment's, as in docs/reference.md; nothing is in the image.
FROM mcr.microsoft.com/azure-functions/python:4-python3.13
ENV AzureWebJobsScriptRoot=/home/site/wwwroot AzureFunctionsJobHost__Logging__Console__IsEnabled=true
COPY requirements.txt /
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r /requirements.txt
COPY host.json function_app.py /home/site/wwwroot/
COPY archival_core /home/site/wwwroot/archival_core
